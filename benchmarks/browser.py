"""Measures the browser in a real pseudo-terminal: start to first frame, and time and bytes a key.

    python benchmarks/browser.py [--size 160x50] [--rows 200 5000 100000 1000000] [--modes half kitty sixel]
    python benchmarks/browser.py --ssh              over a real sshd on loopback, with keys and settings of its own
    python benchmarks/browser.py --tmux             inside of tmux; what tmux sends to the terminal is counted
    python benchmarks/browser.py --cache FOLDER     a cache on disk, instead of synthetic ones in memory

The baseline, in the same run, is the smallest Textual app there is (one line of text): its time from start to first
frame is 1.0, so that ratios mean the same on every machine. The terminal is said to be able to do what a mode needs;
nothing draws what it is sent. Tables are Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from browsing.child import Job
    from browsing.ways import Way

_CHILD: Final = "--child"
_ROWS: Final = (200, 5_000, 100_000, 1_000_000)


def main(arguments: Sequence[str]) -> None:
    """Measure and print tables; or, with `--child`, be what is measured."""
    if arguments[:1] == [_CHILD]:
        from browsing.child import Job, run  # noqa: PLC0415 (what the child imports is part of its start)

        run(Job.from_text(arguments[1]))
        return
    _measure(_parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="160x50", help="columns and lines of the terminal")
    parser.add_argument("--rows", type=int, nargs="+", default=_ROWS, metavar="N", help="rows of the synthetic runs")
    parser.add_argument("--modes", nargs="+", default=("half", "kitty", "sixel"), metavar="MODE", help="ways to draw")
    parser.add_argument("--presses", type=int, default=8, help="presses of each kind of key, at most 11")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="open a cache on disk instead")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--ssh", action="store_true", help="over SSH to this machine")
    way.add_argument("--tmux", action="store_true", help="inside of tmux")
    return parser


def _measure(options: argparse.Namespace) -> None:
    from browsing import report  # noqa: PLC0415 (the child needs nothing of it)
    from browsing.measure import Measure  # noqa: PLC0415 (as above)

    columns, lines = map(int, options.size.split("x"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hw3-browse-")))
        way = stack.enter_context(_way(options, folder))
        measure = Measure(Path(__file__).absolute(), (columns, lines), way, options.presses)
        baseline = measure.baseline(folder / "pid")
        way_name = "over SSH" if options.ssh else "inside of tmux" if options.tmux else "directly"
        print(report.heading(options.size, way_name, baseline))
        found = []
        for job in _jobs(options, folder):
            found.append(measure.job(job))
            print(report.keys(found[-1], baseline), flush=True)
        print(report.starts(found, baseline))


def _way(options: argparse.Namespace, folder: Path) -> AbstractContextManager[Way]:
    from browsing import ways  # noqa: PLC0415 (as above)

    if options.ssh:
        return ways.ssh(folder)
    return ways.tmux(folder) if options.tmux else ways.direct()


def _jobs(options: argparse.Namespace, folder: Path) -> Iterator[Job]:
    """Yield what is to be run, the pictures of the synthetic runs written before."""
    from browsing.child import Job  # noqa: PLC0415 (as above)
    from browsing.synthetic import write_previews  # noqa: PLC0415 (imports numpy)

    job = Job(str(folder / "pid"), "", in_tmux=options.tmux)
    if options.cache:
        cache = options.cache.absolute()
        count = json.loads((cache / "manifest.json").read_text("utf-8"))["count"]
        runs = [replace(job, rows=count, cache=str(cache))]
    else:
        previews = folder / "previews"
        previews.mkdir()
        write_previews(previews)
        runs = [replace(job, rows=rows, previews=str(previews)) for rows in options.rows]
    for run in runs:
        for mode in options.modes:
            yield replace(run, mode=mode)


if __name__ == "__main__":
    main(sys.argv[1:])
