"""``hw3 grid``: attention grids of chosen pictures as figures."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ...cache.codec import Head
from ...cache.errors import UsageError
from ...cache.reader import Cache
from .arguments import Subparsers, add_command, cache_argument

_EXAMPLES = """examples:
  hw3 grid CACHE --top 1 --last 1
  hw3 grid CACHE --name bike --name sheep --out figures --format pdf
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "grid", run, "save attention grids of chosen pictures", _EXAMPLES)
    parser.add_argument("cache", type=cache_argument, metavar="CACHE")
    parser.add_argument("--name", action="append", default=[], help="a picture's name; repeatable")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="the N best by the score")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="the N worst by the score")
    parser.add_argument("--sort", default="clipscore", help="the score (default %(default)s)")
    parser.add_argument("--layer", type=int, default=-1, help="decoder layer from 0; -1 is the last")
    parser.add_argument("--head", default="mean", help="mean, max, or a head from 0")
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png")
    parser.add_argument("--out", type=Path, default=Path("hw3-figures"), metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Save each figure and print its path."""
    from ..figures import grid_file_name, sample_grid, save_figure  # noqa: PLC0415 (matplotlib)

    head = _head(args.head)
    with Cache.open(args.cache) as cache:
        chosen = _chosen(cache, args)
        if not chosen:
            raise UsageError("nothing chosen: give --name NAME, --top N or --last N")
        for index in chosen:
            figure = sample_grid(cache, index, layer=args.layer, head=head, score=args.sort)
            name = grid_file_name(cache.name(index), args.sort, cache.scores(args.sort)[index], "." + args.format)
            print(save_figure(figure, args.out / name))
    return 0


def _chosen(cache: Cache, args: argparse.Namespace) -> list[int]:
    """Indices of the pictures asked for: named, then top, then last."""
    chosen = []
    for name in args.name:
        index = cache.find(name)
        if index is None:
            raise UsageError(f"{args.cache}: has no picture named {name}")
        chosen.append(index)
    order = cache.order(args.sort)
    ranked = order[~np.isnan(cache.scores(args.sort)[order])]  # last is the last of the browser's list
    return [*chosen, *ranked[: max(0, args.top)].tolist(), *ranked[::-1][: max(0, args.last)].tolist()]


def _head(text: str) -> Head:
    """The argument of ``--head``."""
    if text == "mean":
        return "mean"
    if text == "max":
        return "max"
    if not text.isdecimal():
        raise UsageError(f"--head {text}: give mean, max, or a head's number from 0")
    return int(text)
