"""``hw3 judgements``: what people have said about the pictures of a run, as a table."""

from __future__ import annotations

import argparse
import csv
import sys
from contextlib import closing
from pathlib import Path
from typing import TextIO

from ...cache.errors import UsageError
from ...cache.text import printable
from .arguments import Subparsers, add_command, cache_argument

_EXAMPLES = """examples:
  hw3 judgements CACHE > judged.csv
  hw3 judgements CACHE --out judged.csv

Columns: path, caption, current (whether the picture has this caption now), reasonable, words, words_json, note, tags,
who, at. Captions of former runs are among the rows.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "judgements", run, "print what was judged in the browser, as CSV", _EXAMPLES)
    parser.add_argument("cache", type=cache_argument, metavar="CACHE")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a file instead of standard output")


def run(args: argparse.Namespace) -> int:
    """Write a row for each picture and caption that was judged."""
    from ...cache.judged import captions_of  # noqa: PLC0415
    from ...cache.judgements import Judgements  # noqa: PLC0415
    from ...cache.zeroshot import ByPrompt, ZeroShotRun  # noqa: PLC0415
    from ..report.runs import open_run  # noqa: PLC0415

    with closing(open_run(args.cache)) as opened, closing(Judgements.beside(args.cache)) as judgements:
        captions = captions_of(ByPrompt(opened) if isinstance(opened, ZeroShotRun) else opened)
        rows = [{key: printable(value) for key, value in row.items()} for row in judgements.export(captions)]
        if not rows:
            raise UsageError(
                f"{args.cache}: nothing has been judged ({judgements.file}); in hw3-browse: y, n, Y, N, #, e"
            )
    if args.out is None:
        _write(sys.stdout, rows)
        return 0
    try:
        with args.out.open("w", encoding="utf-8", newline="") as stream:
            _write(stream, rows)
    except OSError as error:
        raise UsageError(f"{args.out}: cannot be written ({error.strerror or error})") from error
    print(args.out)
    return 0


def _write(stream: TextIO, rows: list[dict[str, str]]) -> None:
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
