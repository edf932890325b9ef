"""What several subcommands share: argument types and the help of common options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

Subparsers = Any  # argparse's own type is private


def add_command(
    subparsers: Subparsers, name: str, run: Callable[[argparse.Namespace], int], help_text: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a subcommand whose help ends with examples."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def positive(text: str) -> int:
    """An argument that is a whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"needs at least 1, found {text}")
    return value


def batch_size(text: str) -> int | Literal["auto"]:
    """An argument that is a whole number from 1, or ``auto``."""
    return "auto" if text == "auto" else positive(text)


def cache_argument(text: str) -> Path:
    """A cache's folder, the home folder's ``~`` spelt out."""
    return Path(text).expanduser()
