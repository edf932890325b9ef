"""Arguments of the subcommands that draw attention grids."""

from __future__ import annotations

import argparse

from ...cache.codec import Head
from ...cache.errors import UsageError


def add_drawing_arguments(parser: argparse.ArgumentParser, *, colormap: str, dpi: int) -> None:
    """Add which maps are drawn, and how.

    Args:
        parser: Of the subcommand.
        colormap: Its default.
        dpi: Its default.
    """
    parser.add_argument("--layer", type=int, default=-1, help="decoder layer from 0; -1 is the last")
    parser.add_argument("--head", default="mean", help="mean, max, or a head from 0")
    parser.add_argument("--colormap", default=colormap, metavar="NAME", help="matplotlib's name (default %(default)s)")
    parser.add_argument("--opacity", type=float, default=0.5, help="of the maps, 0 to 1 (default %(default)s)")
    parser.add_argument("--columns", type=int, default=5, metavar="N", help="pictures in a row (default %(default)s)")
    parser.add_argument("--dpi", type=int, default=dpi, metavar="N", help="dots per inch (default %(default)s)")


def parse_head(text: str) -> Head:
    """The argument of ``--head``.

    Raises:
        UsageError: It is none.
    """
    if text == "mean":
        return "mean"
    if text == "max":
        return "max"
    if not text.isdecimal():
        raise UsageError(f"--head {text}: give mean, max, or a head's number from 0")
    return int(text)
