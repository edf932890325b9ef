"""Tables in Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from browsing.measure import Found


def heading(size: str, way: str, baseline: float) -> str:
    """Return what all tables refer to."""
    return f"Terminal of {size} cells, {way}. Smallest Textual app, start to first frame: {baseline:.3f} s = 1.0\n"


def keys(found: Found, baseline: float) -> str:
    """Return how a browser answers keys."""
    rows = [
        (
            key.what,
            f"{key.first:.0f}",
            "" if math.isnan(key.marked) else f"{key.marked:.0f}",
            f"{key.last:.0f}",
            f"{key.last / 1000 / baseline:.2f}",
            f"{key.size:.1f}",
            f"{key.cpu:.0f}",
        )
        for key in found.keys
    ]
    title = f"{_name(found)}, milliseconds from a key to its answer; KB; processor"
    head = ("key", "first byte", "list", "last byte", "ratio", "KB", "CPU ms")
    return f"{title}\n\n{_table(head, rows)}\n"


def starts(found: Sequence[Found], baseline: float) -> str:
    """Return how the browsers started, and their memory."""

    def cell(seconds: float) -> str:
        return f"{seconds:.2f} s = {seconds / baseline:.2f}"

    rows = [
        (
            _name(one),
            *(cell(seconds) for seconds in (one.start.frame, one.start.sorted, one.start.picture)),
            *(f"{one.memory[stage]:.0f}" for stage in ("start", "walk", "search")),
        )
        for one in found
    ]
    head = ("", "first frame", "list sorted", "first picture", "MB then", "MB after the keys", "MB after the search")
    return _table(head, rows)


def _name(found: Found) -> str:
    return f"{found.job.rows:,} rows, {found.job.mode}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join((first, *others))} |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if place else "-") for place, width in enumerate(widths)) + "|"
    return "\n".join((line(head), rule, *map(line, rows)))
