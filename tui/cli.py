"""The command ``hw3-browse``: its arguments, and whether to browse or to print.

Exit codes: 0; 1 after a crash; 2 for wrong arguments or a cache that cannot be read; 128 + n after signal n.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..cache.errors import Hw3Error
from ..cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .source import Source

_EXAMPLES: Final = """\
examples:
  hw3-browse                              the cache written last, or the bundled demo
  hw3-browse runs/val --sort cider        another cache, sorted by CIDEr
  hw3-browse runs/val --reverse           worst first
  hw3-browse runs/val --print | head      the best ten as text
  hw3-browse runs/val --json | jq '.[0]'  the best one for a program
"""
_MISUSE: Final = 2
_BROKEN_PIPE: Final = 0  # `| head` had enough: nothing went wrong


def entry() -> None:
    """Run the command and end the process."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _open(options)
    except Hw3Error as error:
        print(f"hw3-browse: {printable(str(error))}", file=sys.stderr)
        return _MISUSE
    except KeyboardInterrupt:
        return 130


def _open(options: argparse.Namespace) -> int:
    # Late, so that --help and --version need not wait for NumPy.
    from ..cache.reader import Cache  # noqa: PLC0415
    from .demo import cache_to_open  # noqa: PLC0415
    from .ordering import check_key, default_key  # noqa: PLC0415

    with Cache.open(options.cache or cache_to_open()) as cache:
        key = options.sort or default_key(cache.score_names)
        check_key(key, cache.score_names)
        if options.format or not _is_interactive():
            return _print(cache, key, options)
        from .app import BrowserApp  # noqa: PLC0415 (imports Textual)
        from .process import run  # noqa: PLC0415

        return run(BrowserApp(cache, key, reverse=options.reverse, figures=options.out))


def _is_interactive() -> bool:
    """Return whether one can browse: Textual reads standard input and draws on standard error."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)) and os.environ.get("TERM") != "dumb"


def _print(source: Source, key: str, options: argparse.Namespace) -> int:
    from . import plain  # noqa: PLC0415
    from .ordering import Ordering  # noqa: PLC0415

    lines = {"json": plain.json_lines, "csv": plain.csv_lines}.get(options.format, plain.text_lines)
    ordering = Ordering.build(source, key, reverse=options.reverse)
    return _write(lines(source, ordering, options.limit))


def _write(lines: Iterable[str]) -> int:
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hw3-browse",
        description="Browse captions by score, and see where the model looked at each word.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cache", nargs="?", type=Path, metavar="CACHE", help="folder that hw3 precompute has written")
    parser.add_argument("--sort", metavar="SCORE", help="score to sort by, or name or index (default: clipscore)")
    parser.add_argument("--reverse", action="store_true", help="worst first")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for saved grids (default: ./hw3-figures)")
    form = parser.add_mutually_exclusive_group()
    for name, meaning in (("print", "print the list as text"), ("json", "as JSON"), ("csv", "as CSV")):
        form.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=meaning)
    parser.add_argument("--limit", type=_count, metavar="N", help="print only the first N rows")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    return parser


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, found {text!r}")
    return number


class _Version(argparse.Action):
    """Prints the version; looks it up only then, since package metadata is slow to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end the process."""
        from importlib.metadata import version  # noqa: PLC0415

        print(f"hw3-browse {version('hw3-browse')}")
        parser.exit()


if __name__ == "__main__":
    entry()
