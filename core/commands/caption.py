"""``hw3 caption``: a caption for every picture, into a json, as the assignment's script wants it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from ...cache.errors import UsageError
from ...cache.text import printable
from .arguments import Subparsers, add_command, batch_size, cache_argument, positive
from .data import ANNOTATIONS_HELP, add_data_arguments, dataset_of
from .decoding import add_decoding_arguments, decoding_of

CAPTIONER_VARIABLE: Final = "HW3_CAPTIONER"
_EXAMPLES: Final = f"""examples:
  hw3 caption p2_data/images/val out.json --captioner runs/best
  hw3 caption coco/ out.json --annotations dataset_coco.json --split test --captioner runs/best --beams 3 --format coco
  {CAPTIONER_VARIABLE}=runs/best hw3 caption "$1" "$2"              (a script for graders: two arguments, in this order)

OUT.json gets {{"name": "caption"}}, names without extension. Interrupted, even by kill -9, the same command goes on
behind the last batch: until the end, captions lie in OUT.json.*.part.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "caption", run, "caption pictures into a json", _EXAMPLES)
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of pictures")
    parser.add_argument("out", type=cache_argument, metavar="OUT.json", help="gets the captions; replaced if it exists")
    parser.add_argument(
        "--captioner",
        default=os.environ.get(CAPTIONER_VARIABLE),
        metavar="FOLDER",
        help=f"checkpoint of `hw3 train`, or another captioner; default: ${CAPTIONER_VARIABLE}",
    )
    parser.add_argument(
        "--format", choices=("names", "coco"), default="names", help="COCO results have [{image_id, caption}] instead"
    )
    parser.add_argument("--batch", type=batch_size, default=32, help="pictures at once, or auto: what memory takes")
    parser.add_argument("--workers", type=positive, default=2, help="threads that read pictures")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=("fp32", "fp16", "bf16"), default="fp32")
    add_data_arguments(parser)
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help=f"caption what it lists, and not all of the folder: {ANNOTATIONS_HELP}",
    )
    add_decoding_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Caption, and say where the captions are."""
    from ..captioners import open_captioner  # noqa: PLC0415 (torch)
    from ..captioning import Options, write_captions  # noqa: PLC0415
    from ..device import choose_device, keep_freed_memory  # noqa: PLC0415

    _check(args)
    options = Options(
        decoding=decoding_of(args),
        precision=args.precision,
        batch=args.batch,
        workers=args.workers,
        form=args.format,
    )
    dataset = dataset_of(args)
    keep_freed_memory()
    captioner = open_captioner(args.captioner, choose_device(args.device), args.precision)
    write_captions(dataset, captioner, args.out, options)
    if not options.world.is_first:
        return 0
    print(f"{len(dataset)} captions: {printable(str(args.out))}")
    for note in dataset.notes:
        print(f"note: {note}")
    print(f"scores of them: hw3 evaluate {printable(str(args.out))} --images ... --annotations ...", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Find out now, not behind an hour of work, what is missing."""
    if not args.captioner:
        raise UsageError(
            f"which captioner? Give --captioner FOLDER (from `hw3 train`), or set {CAPTIONER_VARIABLE} to one"
        )
    if args.out.is_dir():
        raise UsageError(f"{printable(str(args.out))} is a folder; give a file for the captions")
