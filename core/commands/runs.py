"""``hw3 runs``: the experiments so far, as a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import Subparsers, add_command, cache_argument

if TYPE_CHECKING:
    from ..experiments.table import Grid

_EXAMPLES = """examples:
  hw3 runs                          your caches, experiments, and ./runs
  hw3 runs runs/ caches/ --markdown > experiments.md
  hw3 runs runs/ --sort clipscore --csv

A row is a cache (`hw3 precompute`), with the settings of the training run (`hw3 train`) that its checkpoint comes
from, wherever both lie; a training run without a cache has its validation score. Only settings that differ are shown.
"""
_WIDE = 10_000  # a file has no edge


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "runs", run, "compare training runs and caches in a table, best first", _EXAMPLES)
    parser.add_argument(
        "folders", type=cache_argument, nargs="*", metavar="FOLDER", help="runs, caches, or folders of such"
    )
    parser.add_argument("--sort", default="cider", metavar="SCORE", help="what best means (%(default)s)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="everything in one table, for programs")
    form.add_argument("--markdown", action="store_true", help="pipe tables, for a report")


def run(args: argparse.Namespace) -> int:
    """Find, compare, print."""
    from ..experiments.found import find  # noqa: PLC0415
    from ..experiments.table import Runs  # noqa: PLC0415

    runs = Runs.of(find(args.folders or _usual()), args.sort)
    if args.csv:
        sys.stdout.write(runs.csv())
    elif args.markdown:
        sys.stdout.write(runs.markdown())
    else:
        for grid in runs.grids():
            _print(grid)
        sys.stdout.write(runs.remark())
    return 0


def _usual() -> list[Path]:
    from ...cache.places import caches_dir  # noqa: PLC0415

    places = (Path("runs"), caches_dir(), caches_dir().parent / "experiments")
    return [place for place in places if place.is_dir()] or [caches_dir()]


def _print(grid: Grid) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from ...cache.text import printable  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in grid.heads:
        table.add_column(Text(printable(head)))
    for row, cells in enumerate(grid.rows):
        table.add_row(
            *(Text(printable(cell), "bold" if (row, at) in grid.best else "") for at, cell in enumerate(cells))
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(table)
