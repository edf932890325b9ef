"""Figures of several runs as text, JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from ...cache.text import printable


def add_format_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` and ``--csv``, which exclude each other."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print a JSON list for programs")
    group.add_argument("--csv", action="store_true", help="print CSV for programs")


def names_of(folders: Sequence[Path]) -> list[str]:
    """What runs are called in a table: the folder's name, or the whole path where two names are alike.

    >>> names_of([Path("runs/a"), Path("runs/b")])
    ['a', 'b']
    """
    last = [folder.resolve().name for folder in folders]
    names = last if len(set(last)) == len(set(folders)) else [str(folder) for folder in folders]
    return [printable(name) for name in names]


def aligned(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Rows as lines, their columns below each other.

    >>> aligned([["a", "b"], ["long", "c"]])
    ['a     b', 'long  c']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [f"{indent}{line}".rstrip() for line in lines]


def print_rows(rows: Sequence[Mapping[str, Any]], args: argparse.Namespace, stream: TextIO) -> None:
    """Print rows of the same keys, one at least, as the user has asked for them."""
    if args.json:
        stream.write(json.dumps(rows, indent=1, allow_nan=False) + "\n")
        return
    writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
