"""``hw3 export``: a run as one flat table."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ...cache.errors import UsageError
from ..choosing import FILTER_HELP, filtered, filtered_classes
from .arguments import Subparsers, add_command, cache_argument

if TYPE_CHECKING:
    from ..export import Run

_STDOUT = "-"
_RANKED_BY = "clipscore"  # what `rank` counts in a filter, as in the browser
_EXAMPLES = """examples:
  hw3 export CACHE > samples.csv
  hw3 export CACHE --parquet samples.parquet
  hw3 export CACHE --filter 'clipscore < 0.5' --jsonl - | jq .caption
  hw3 export ZEROSHOT_RUN --filter 'not correct and confidence > .9'   (by its first prompt; p2.correct: by its second)

RUN is a cache of captions, finished or not, or a zero-shot run. Columns: all of the run's samples.parquet; of captions
also reasonable, fits (for each word), note and tags; of a zero-shot run also label_name, p0_name, p0_correct, ..., note
and tags.
CSV has one safe line for each text, and lists as JSON; JSON lines and Parquet keep everything as it is.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "export", run, "write a run as one flat table for other programs", _EXAMPLES)
    parser.add_argument("run_folder", type=cache_argument, metavar="RUN")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--csv", type=Path, metavar="FILE", help="CSV; - is standard output, and the default")
    group.add_argument("--jsonl", type=Path, metavar="FILE", help="a JSON object a line; - is standard output")
    group.add_argument("--parquet", type=Path, metavar="FILE", help="Parquet, for pandas, DuckDB and the like")
    parser.add_argument("--filter", metavar="EXPR", help=FILTER_HELP)


def run(args: argparse.Namespace) -> int:
    """Write the table, and its file's name unless it went to standard output."""
    from ...cache.zeroshot import ZeroShotRun  # noqa: PLC0415
    from ..export import tables  # noqa: PLC0415 (pyarrow)
    from ..report.runs import open_run  # noqa: PLC0415

    with closing(open_run(args.run_folder)) as opened:
        mask = None
        if args.filter is not None:
            if isinstance(opened, ZeroShotRun):
                mask = filtered_classes(opened, args.filter)
            else:
                mask = filtered(opened, args.filter, _RANKED_BY if _RANKED_BY in opened.score_names else None)
        file = args.parquet or args.jsonl or args.csv or Path(_STDOUT)
        pieces = tables(opened, mask)
        if str(file) == _STDOUT:
            if args.parquet is not None:
                raise UsageError("--parquet needs a file: Parquet cannot be written to standard output")
            return _to_stdout(pieces, lines=args.jsonl is not None)
        _check_place(file, opened)
        _to_file(pieces, file, args)
    print(file)
    return 0


def _to_stdout(pieces: Iterator[Any], *, lines: bool) -> int:
    try:
        _write_text(sys.stdout, pieces, lines=lines)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end of the process
    return 0


def _to_file(pieces: Iterator[Any], file: Path, args: argparse.Namespace) -> None:
    """Write a file, whole or not at all."""
    from ...cache.files import replacing  # noqa: PLC0415
    from ..export import write_parquet  # noqa: PLC0415

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            if args.parquet is not None:
                write_parquet(temporary, pieces)
            else:
                with temporary.open("w", encoding="utf-8", newline="") as stream:
                    _write_text(stream, pieces, lines=args.jsonl is not None)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror or error})") from error


def _write_text(stream: TextIO, pieces: Iterator[Any], *, lines: bool) -> None:
    from ..export import write_csv, write_jsonl  # noqa: PLC0415

    (write_jsonl if lines else write_csv)(stream, pieces)


def _check_place(file: Path, opened: Run) -> None:
    """Raise UsageError for a file that would change the run itself."""
    if file.absolute().resolve().is_relative_to(opened.folder.resolve()):
        raise UsageError(f"{file}: lies in the run itself, which must stay as it is; give another place")
    if file.exists() and not file.is_file():
        raise UsageError(f"{file}: is no file")
