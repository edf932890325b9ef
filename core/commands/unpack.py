"""``hw3 unpack``: Parquet tables with the pictures in them, into a folder that every command reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...cache.text import printable
from .arguments import Subparsers, add_command, cache_argument

_EXAMPLES = """examples:
  hw3 unpack flickr30k/*.parquet --out flickr30k
  hw3 precompute flickr30k/images flickr30k/captions.jsonl --split test --captioner runs/best
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "unpack", run, "make a folder of pictures of Parquet tables that have them inside", _EXAMPLES
    )
    parser.add_argument("tables", type=Path, nargs="+", metavar="TABLE", help="Parquet files, as on Hugging Face's hub")
    parser.add_argument(
        "--out", type=cache_argument, required=True, metavar="FOLDER", help="gets images/, captions.jsonl"
    )
    parser.add_argument("--columns", metavar="image=HEAD,caption=HEAD", help="default: guessed by their heads")
    parser.add_argument(
        "--broken", choices=("fail", "skip"), default="fail", help="what is done with a broken picture (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Unpack, and say what was left out."""
    from ..datasets import Columns  # noqa: PLC0415 (Pillow)
    from ..datasets.unpacking import unpack  # noqa: PLC0415

    columns = Columns.parse(args.columns) if args.columns else Columns()
    left_out = unpack(args.tables, args.out, columns, skip_broken=args.broken == "skip")
    for line in left_out:
        print(f"left out: {printable(line)}")
    print(f"{args.out / 'images'} and {args.out / 'captions.jsonl'}")
    return 0
