"""The browser without a terminal: the same list as aligned text, or as JSON or CSV for programs.

Of captions; a zero-shot run has the same three functions in `classes.plain`. Imports nothing of Textual. Texts come
from strangers: text and CSV are sanitized, JSON escapes all but ASCII. Of several runs, what belongs to the second
carries its letter: `b.caption`, `b.cider`, `b.note`; see `runs`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len, set_cell_size

from ..cache.text import printable
from . import formats
from .columns import DIFFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..cache.judgements import Judgement
    from .ordering import Ordering
    from .runs import Runs

    Opinions = Sequence[Mapping[str, Judgement]]
    """For each run its judgements by path; empty where nobody has judged."""

WIDEST_NAME: Final = 32
_WIDEST_CAPTION: Final = 60
SCORE_WIDTH: Final = 7
ROWS_LOOKED_AT: Final = 1000  # enough to choose a width; a million names would delay the first line
_YES_NO: Final = {True: "yes", False: "no", None: ""}


def text_lines(runs: Runs, ordering: Ordering, limit: int | None) -> Iterator[str]:
    """Yield the list as text: rank, scores, name and captions in columns, a head first."""
    positions = range(count(ordering, limit))
    keys = _keys_shown(runs, ordering)
    columns = [runs.scores(key) for key in keys]
    readers = [runs.name, *_caption_readers(runs)]
    names = ["name", *_labelled(runs, "caption")]
    limits = [WIDEST_NAME, *[_WIDEST_CAPTION] * len(runs.sources)]
    indices = [ordering.index_at(position) for position in islice(positions, ROWS_LOOKED_AT)]
    # The last column may be as wide as it likes.
    widths = [
        max(cell_len(name), min(most, max((cell_len(printable(read(index))) for index in indices), default=0)))
        for name, read, most in zip(names[:-1], readers[:-1], limits[:-1], strict=True)
    ]
    rank_width = max(len("rank"), len(str(len(runs))))

    def line(rank: str, scores: Sequence[str], texts: Sequence[str]) -> str:
        numbers = [f"{value:>{max(len(key), SCORE_WIDTH)}}" for key, value in zip(keys, scores, strict=True)]
        aligned = [padded(text, width) for text, width in zip(texts[:-1], widths, strict=True)]
        return "  ".join([f"{rank:>{rank_width}}", *numbers, *aligned, texts[-1]]).rstrip()

    yield line("rank", keys, names)
    for position in positions:
        index = ordering.index_at(position)
        scores = [formats.score(float(column[index])) for column in columns]
        yield line(formats.rank(ordering.rank_at(position)), scores, [printable(read(index)) for read in readers])


def json_lines(runs: Runs, ordering: Ordering, limit: int | None, opinions: Opinions) -> Iterator[str]:
    """Yield one JSON array, an object a line; undefined scores are null.

    Args:
        runs: What to print.
        ordering: Which pictures of it, in which order.
        limit: At most so many.
        opinions: What has been said about them; without any there are no such fields.
    """
    total = count(ordering, limit)
    yield "["
    for position in range(total):
        index = ordering.index_at(position)
        sample = runs.sample(index)
        captions = (read(index) for read in _caption_readers(runs))
        entry = {
            "rank": ordering.rank_at(position),
            "index": index,
            "name": sample.name,
            "path": sample.path,
            **dict(zip(_labelled(runs, "caption"), captions, strict=True)),
            "references": list(sample.references),
            "scores": {name: None if math.isnan(value) else value for name, value in sample.scores.items()},
        }
        for run, judgements in _judged_runs(opinions):
            said = _said(runs, run, index, judgements)
            entry |= {_lettered(runs, run, name): value for name, value in said.items()}
        yield json.dumps(entry) + ("," if position + 1 < total else "")
    yield "]"


def csv_lines(runs: Runs, ordering: Ordering, limit: int | None, opinions: Opinions) -> Iterator[str]:
    """Yield the list as CSV with a head; undefined scores are empty. For the arguments see `json_lines`.

    The columns are rank, name, captions, every score, and where there are judgements reasonable (yes, no), fits
    ("3:dog=yes 5:beach=no", words counted from 0), tags (by comma) and note.
    """
    columns = [runs.scores(name) for name in runs.score_names]
    readers = [runs.name, *_caption_readers(runs)]
    judged = [_lettered(runs, run, name) for run, _ in _judged_runs(opinions) for name in _CELLS]
    yield csv_line(["rank", "name", *_labelled(runs, "caption"), *runs.score_names, *judged])
    for position in range(count(ordering, limit)):
        index = ordering.index_at(position)
        values = (float(column[index]) for column in columns)
        scores = ["" if math.isnan(value) else repr(value) for value in values]
        texts = [printable(read(index)) for read in readers]
        cells = [
            printable(_CELLS[name](value))
            for run, judgements in _judged_runs(opinions)
            for name, value in _said(runs, run, index, judgements).items()
        ]
        yield csv_line([str(ordering.rank_at(position) or ""), *texts, *scores, *cells])


def _said(runs: Runs, run: int, index: int, judgements: Mapping[str, Judgement]) -> dict[str, Any]:
    """Return what is said about a picture in a run, by column."""
    source, row = runs.sources[run], runs.at(run, index)
    judgement = judgements.get(source.path(row))
    if judgement is None:
        return {"reasonable": None, "fits": [], "tags": [], "note": ""}
    words = source.sample(row).words if judgement.fits else ()
    return {
        "reasonable": judgement.reasonable,
        "fits": [
            {"word": word, "text": words[word], "fits": fits}
            for word, fits in judgement.fits.items()
            if word < len(words)
        ],
        "tags": sorted(judgement.tags),
        "note": judgement.note,
    }


# How a value of `_said` is written in a cell of CSV.
_CELLS: Final[Mapping[str, Callable[[Any], str]]] = {
    "reasonable": lambda value: _YES_NO[value],
    "fits": lambda words: " ".join(f"{word['word']}:{word['text']}={_YES_NO[word['fits']]}" for word in words),
    "tags": ", ".join,
    "note": str,
}


def _keys_shown(runs: Runs, ordering: Ordering) -> tuple[str, ...]:
    """Return the columns of scores in the text: the one that sorts, and the same score of every run."""
    if ordering.values is None:
        return ()
    own = ordering.key.removeprefix(f"{DIFFERENCE}.")
    letter, _, rest = own.partition(".")
    own = rest if letter in runs.labels and rest else own
    shown = (ordering.key, *(_lettered(runs, run, own) for run in range(len(runs.sources))))
    return tuple(name for name in dict.fromkeys(shown) if name in runs.score_names)


def _judged_runs(opinions: Opinions) -> list[tuple[int, Mapping[str, Judgement]]]:
    return [(run, judgements) for run, judgements in enumerate(opinions) if judgements]


def _caption_readers(runs: Runs) -> list[Callable[[int], str]]:
    """Return a function for each run that reads its caption of a picture of the list."""

    def reader(run: int) -> Callable[[int], str]:
        return lambda index: runs.sources[run].caption(runs.at(run, index))

    return [reader(run) for run in range(len(runs.sources))]


def _labelled(runs: Runs, name: str) -> list[str]:
    """Return what a column is called in each run."""
    return [_lettered(runs, run, name) for run in range(len(runs.sources))]


def _lettered(runs: Runs, run: int, name: str) -> str:
    return f"{runs.labels[run]}.{name}" if run else name


def padded(text: str, width: int) -> str:
    """Return a text in at least so many cells."""
    return text if cell_len(text) > width else set_cell_size(text, width)


def count(ordering: Ordering, limit: int | None) -> int:
    """Return how many rows are printed."""
    return len(ordering) if limit is None else min(limit, len(ordering))


def csv_line(fields: list[str]) -> str:
    """Return a line of CSV, without its end."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(fields)
    return buffer.getvalue()
