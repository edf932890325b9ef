"""The browser without a terminal: the same list as aligned text, or as JSON or CSV for programs.

Imports nothing of Textual. Texts come from strangers: text and CSV are sanitized, JSON escapes all but ASCII.
"""

from __future__ import annotations

import csv
import io
import json
import math
from itertools import islice
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from ..cache.text import printable
from . import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ordering import Ordering
    from .source import Source

_WIDEST_NAME: Final = 32
_SCORE_WIDTH: Final = 7
_NAMES_LOOKED_AT: Final = 1000


def text_lines(source: Source, ordering: Ordering, limit: int | None) -> Iterator[str]:
    """Yield the list as text: rank, score, name and caption in columns, a head first."""
    positions = range(_count(ordering, limit))
    looked_at = islice(positions, _NAMES_LOOKED_AT)  # enough to choose a width; a million names would delay the first
    names = (cell_len(printable(source.name(ordering.index_at(position)))) for position in looked_at)
    name_width = min(_WIDEST_NAME, max([len("name"), *names]))
    rank_width = max(len("rank"), len(str(len(ordering))))
    key = ordering.key if ordering.values is not None else ""
    score_width = max(len(key), _SCORE_WIDTH) if key else 0

    def line(rank: str, score: str, name: str, caption: str) -> str:
        padded = name if cell_len(name) > name_width else set_cell_size(name, name_width)
        middle = f"  {score:>{score_width}}" if key else ""
        return f"{rank:>{rank_width}}{middle}  {padded}  {caption}".rstrip()

    yield line("rank", key, "name", "caption")
    for position in positions:
        index = ordering.index_at(position)
        yield line(
            formats.rank(ordering.rank_at(position)),
            formats.score(ordering.value_at(position)),
            printable(source.name(index)),
            printable(source.caption(index)),
        )


def json_lines(source: Source, ordering: Ordering, limit: int | None) -> Iterator[str]:
    """Yield one JSON array, an object a line; undefined scores are null."""
    count = _count(ordering, limit)
    yield "["
    for position in range(count):
        sample = source.sample(ordering.index_at(position))
        scores = {name: None if math.isnan(value) else value for name, value in sample.scores.items()}
        entry = {
            "rank": ordering.rank_at(position),
            "index": sample.index,
            "name": sample.name,
            "path": sample.path,
            "caption": sample.caption,
            "references": list(sample.references),
            "scores": scores,
        }
        yield json.dumps(entry) + ("," if position + 1 < count else "")
    yield "]"


def csv_lines(source: Source, ordering: Ordering, limit: int | None) -> Iterator[str]:
    """Yield the list as CSV with a head: rank, name, caption and every score; undefined scores are empty."""
    columns = [source.scores(name) for name in source.score_names]
    yield _csv_line(["rank", "name", "caption", *source.score_names])
    for position in range(_count(ordering, limit)):
        index = ordering.index_at(position)
        values = (float(column[index]) for column in columns)
        texts = [printable(source.name(index)), printable(source.caption(index))]
        scores = ["" if math.isnan(value) else repr(value) for value in values]
        yield _csv_line([str(ordering.rank_at(position) or ""), *texts, *scores])


def _count(ordering: Ordering, limit: int | None) -> int:
    return len(ordering) if limit is None else min(limit, len(ordering))


def _csv_line(fields: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(fields)
    return buffer.getvalue()
