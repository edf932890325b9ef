"""The options of all commands that read a dataset, and the dataset that they name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...cache.errors import DatasetError

if TYPE_CHECKING:
    from ..datasets import Dataset

ANNOTATIONS_HELP = "the references: COCO-style or Karpathy's json, Flickr8k's captions or tokens, a table"


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what of a dataset is taken; IMAGES and annotations are each command's own."""
    group = parser.add_argument_group("data")
    group.add_argument("--split", metavar="NAME", help="take this split alone: val, test, or a file with a name a line")
    group.add_argument(
        "--broken",
        choices=("fail", "skip"),
        default="fail",
        help="what a missing or broken picture does: end with an error, or be left out, with a note (%(default)s)",
    )
    group.add_argument(
        "--columns", metavar="image=HEAD,caption=HEAD", help="which columns of a table; default: guessed by their heads"
    )


def dataset_of(args: argparse.Namespace) -> Dataset:
    """Open the dataset of `args.images` and `args.annotations` (or one of them None) as the options say.

    Raises:
        DatasetError: It cannot be read; see `open_dataset`.
        UsageError: An option does not fit it.
    """
    from ..datasets import Columns, MissingPicturesError, open_dataset, open_references  # noqa: PLC0415 (Pillow)

    columns = Columns.parse(args.columns) if args.columns else None
    images: Path | None = args.images
    annotations: Path | None = args.annotations
    if images is None and annotations is not None:
        return open_references(annotations, split=args.split, columns=columns)
    try:
        return open_dataset(images or Path(), annotations, split=args.split, broken=args.broken, columns=columns)
    except MissingPicturesError as error:
        raise DatasetError(f"{error} If so, --broken skip leaves them out") from error
