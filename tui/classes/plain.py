"""A zero-shot run without a terminal: the list as aligned text, or as JSON or CSV for programs.

Text and CSV are by the view's prompt, JSON has every prompt. As in `..plain`, texts are sanitized.
"""

from __future__ import annotations

import json
import math
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len

from ...cache.text import printable
from ...cache.zeroshot import TRUE_RANK
from .. import formats
from ..plain import ROWS_LOOKED_AT, SCORE_WIDTH, WIDEST_NAME, count, csv_line, padded
from .guess import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..ordering import Ordering
    from ..plain import Opinions
    from .guess import Bar, Guess
    from .view import ClassView

_USUAL: Final = "confidence"
_NUMBERS: Final = ("confidence", "true_probability", "margin", "correct", TRUE_RANK)
_TEXT_HEADS: Final = ("name", "taken for")


def text_lines(view: ClassView, ordering: Ordering, limit: int | None) -> Iterator[str]:
    """Yield the list as text: rank, score and confidence, name, what the picture was taken for and what it is."""
    positions = range(count(ordering, limit))
    keys = dict.fromkeys([*([ordering.key] if ordering.values is not None else []), _USUAL])
    columns = [view.scores(key) for key in keys]
    indices = [ordering.index_at(position) for position in islice(positions, ROWS_LOOKED_AT)]
    widest = max((cell_len(printable(view.name(index))) for index in indices), default=0)
    width = max(len(_TEXT_HEADS[0]), min(WIDEST_NAME, widest))
    rank_width = max(len("rank"), len(str(len(view))))

    def line(rank: str, numbers: list[str], name: str, text: str) -> str:
        cells = [f"{value:>{max(len(key), SCORE_WIDTH)}}" for key, value in zip(keys, numbers, strict=True)]
        return "  ".join([f"{rank:>{rank_width}}", *cells, padded(name, width), text]).rstrip()

    yield line("rank", list(keys), *_TEXT_HEADS)
    for position in positions:
        index = ordering.index_at(position)
        numbers = [formats.score(float(column[index])) for column in columns]
        rank = formats.rank(ordering.rank_at(position))
        yield line(rank, numbers, printable(view.name(index)), view.row(index))


def json_lines(view: ClassView, ordering: Ordering, limit: int | None, opinions: Opinions) -> Iterator[str]:
    """Yield one JSON array, an object a line: the picture, and what each prompt took it for; unknown is null."""
    total = count(ordering, limit)
    said = opinions[0]
    yield "["
    for position in range(total):
        picture = read(view.run, ordering.index_at(position))
        entry: dict[str, Any] = {
            "rank": ordering.rank_at(position),
            "index": picture.index,
            "name": picture.name,
            "path": picture.path,
            "class": picture.truth or None,
            "prompts": [
                {"prompt": prompt.name, **_told(guess)}
                for prompt, guess in zip(view.run.prompts, picture.guesses, strict=True)
            ],
        }
        if said:
            judgement = said.get(picture.path)
            entry["tags"] = [] if judgement is None else sorted(judgement.tags)
            entry["note"] = "" if judgement is None else judgement.note
        yield json.dumps(entry) + ("," if position + 1 < total else "")
    yield "]"


def csv_lines(view: ClassView, ordering: Ordering, limit: int | None, opinions: Opinions) -> Iterator[str]:
    """Yield the list as CSV with a head; what is unknown is empty. With notes there are the columns tags and note."""
    said = opinions[0]
    columns = [view.scores(name) for name in _NUMBERS]
    heads = ["rank", "name", "path", "class", "prediction", *_NUMBERS]
    yield csv_line([*heads, *(["tags", "note"] if said else [])])
    labels = [printable(label) for label in view.run.labels]
    guesses = view.run.predicted(view.prompt)
    for position in range(count(ordering, limit)):
        index = ordering.index_at(position)
        truth = view.run.true_label(index)
        cells = [
            str(ordering.rank_at(position) or ""),
            printable(view.name(index)),
            printable(view.path(index)),
            "" if truth is None else labels[truth],
            labels[int(guesses[index])],
            *(_number(name, float(column[index])) for name, column in zip(_NUMBERS, columns, strict=True)),
        ]
        if said:
            judgement = said.get(view.path(index))
            tags = "" if judgement is None else ", ".join(sorted(judgement.tags))
            cells += [printable(tags), printable("" if judgement is None else judgement.note)]
        yield csv_line(cells)


def _told(guess: Guess) -> dict[str, Any]:
    true = guess.true
    return {
        "prediction": guess.best.label,
        "correct": guess.is_right,
        "confidence": guess.best.probability,
        "margin": guess.margin,
        "true_probability": None if true is None else true.probability,
        "true_rank": None if true is None else true.place,
        "top": [_bar(bar) for place, bar in enumerate(guess.bars, 1) if bar.place == place],
    }


def _bar(bar: Bar) -> dict[str, Any]:
    return {"class": bar.label, "probability": bar.probability}


def _number(name: str, value: float) -> str:
    """Return a number as CSV has it: whole where it counts something, nothing where it is undefined."""
    if math.isnan(value):
        return ""
    return str(int(value)) if name in {"correct", TRUE_RANK} else repr(value)
