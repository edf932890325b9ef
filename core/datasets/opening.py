"""Open a dataset: read its layout, take its split, find its pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from ...cache.errors import DatasetError
from .columns import Columns
from .entries import Entry, check_names
from .files import check_all_there, items_of, place, readable
from .folder import KINDS, check_folder, picture_names, plain_entries, scanned
from .items import Dataset, Item, Skipped, fingerprint
from .layouts import read_entries
from .pictures import IMAGE_SUFFIXES
from .splits import label, select
from .wording import first, show

Broken = Literal["fail", "skip"]

_STORES: Final = frozenset({"images", "annotations"})  # folder names that say nothing about a dataset ...
_SPLITS: Final = frozenset({"val", "valid", "validation", "train", "test"})  # ... and those that say little
_PLAIN: Final = frozenset({"captions", "results", "results_20130124", "metadata"})  # the files of Flickr8k and others


def open_dataset(
    images: Path,
    annotations: Path | None = None,
    *,
    split: str | None = None,
    broken: Broken = "fail",
    columns: Columns | None = None,
) -> Dataset:
    """Open a dataset and check that all its pictures are there.

    Args:
        images: The image folder.
        annotations: The references, in any layout of `docs/datasets.md`; None for a plain folder without.
        split: The split to take, see `splits.select`; None takes all pictures.
        broken: What a missing or broken picture does. "fail": a missing one is an error, and no picture is decoded;
            "skip": every picture is decoded, and those that cannot be read are left out (`Dataset.skipped`).
        columns: The columns of a table; None guesses.

    Raises:
        DatasetError: The folder or the annotations cannot be read, pictures are missing, ids or names are not
            unique, a caption belongs to no picture, or there is no picture at all.
        UsageError: There is no such split.
    """
    images = Path(images)
    annotations = None if annotations is None else Path(annotations)
    check_folder(images)
    entries = plain_entries(images) if annotations is None else read_entries(annotations, columns or Columns())
    if split is not None:
        entries = select(entries, split, annotations)
    placed, missing = place(images, entries)
    unreadable: list[Skipped] = []
    if broken == "fail":
        check_all_there(images, placed, missing)
    else:
        placed, unreadable = readable(images, placed)
    skipped = tuple(missing + unreadable)
    if not placed:
        raise DatasetError(f"none of the {len(skipped)} pictures can be read: {first(one.path for one in skipped)}")
    items = items_of(placed)
    check_names(items, annotations or images)
    return Dataset(
        images,
        items,
        annotations,
        name=_dataset_name(_source(annotations) if annotations else images, split),
        fingerprint=fingerprint(items, [one.size for one in placed]),
        skipped=skipped,
        chosen=_chosen(split, columns, skipped),
    )


def open_references(annotations: Path, *, split: str | None = None, columns: Columns | None = None) -> Dataset:
    """Open a dataset's captions alone: its pictures are not looked for, and its `root` is where the file is.

    Raises:
        DatasetError: As `open_dataset`.
        UsageError: There is no such split.
    """
    annotations = Path(annotations)
    entries = read_entries(annotations, columns or Columns())
    if split is not None:
        entries = select(entries, split, annotations)
    items = tuple(
        Item(index, entry.image_id, _stem(entry.path), entry.path, entry.references)
        for index, entry in enumerate(entries)
    )
    check_names(items, annotations)
    name = _dataset_name(_source(annotations), split)
    return Dataset(annotations.parent, items, annotations, name, fingerprint(items, [0] * len(items)))


def open_folders(images: Path) -> Dataset:
    """Open a folder of pictures whose names may repeat: those in it, or, where it has none, those in its sub-folders.

    The order is by path. Folders of folders are not entered.

    Raises:
        DatasetError: The folder cannot be read, or there is no picture.
    """
    images = Path(images)
    check_folder(images)
    paths = picture_names(images)
    if not paths:
        inner = sorted(entry.name for entry in scanned(images) if entry.is_dir() and not entry.name.startswith("."))
        paths = [f"{folder}/{name}" for folder in inner for name in picture_names(images / folder)]
    if not paths:
        raise DatasetError(f"no pictures ({KINDS}) in {show(images)} or its sub-folders")
    placed, missing = place(images, (Entry(path) for path in paths))
    check_all_there(images, placed, missing)
    items = items_of(placed)
    return Dataset(images, items, None, _dataset_name(images), fingerprint(items, [one.size for one in placed]))


def _chosen(split: str | None, columns: Columns | None, skipped: Sequence[Skipped]) -> tuple[tuple[str, str], ...]:
    """Return the options that name this dataset again, where there are any."""
    named = {
        "split": str(Path(split).resolve()) if split and Path(split).is_file() else split,
        "columns": str(columns) if columns else None,
        "broken": "skip" if skipped else None,
    }
    return tuple((option, value) for option, value in named.items() if value is not None)


def _source(annotations: Path) -> Path:
    """Return what the dataset is named after: the annotations' file, or its folder where that says more."""
    source = annotations.with_suffix("")
    return source.parent if annotations.suffix != ".json" and source.name in _PLAIN else source


def _dataset_name(source: Path, split: str | None = None) -> str:
    """Name a dataset after its folder, past names that say nothing: p2_data/images/val is 'p2_data-val'."""
    parts: list[str] = []
    for part in reversed(source.resolve().parts):
        parts.append(part)
        if part not in _STORES | _SPLITS:
            break
    words = [part for part in reversed(parts) if part not in _STORES]
    if split is not None:
        words.append(label(split))
    return re.sub(r"[^\w.-]+", "_", "-".join(words)).strip("_") or "dataset"


def _stem(path: str) -> str:
    """Return a picture's name without its extension; a name without one stays whole ("a.b")."""
    whole = PurePosixPath(path)
    return whole.stem if whole.suffix.lower() in IMAGE_SUFFIXES else whole.name
