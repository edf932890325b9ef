"""The table of experiments: settings that differ and scores, best first, as text, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...cache.errors import UsageError
from ...cache.text import printable
from ..report.wording import UNDEFINED, digits_of, number, score_label
from .found import Experiment

SCORES: Final = ("cider", "clipscore", "refclipscore", "bleu4", "rouge_l", "meteor")
_WIDEST: Final = 6  # settings beside the scores; with more of them they are a table of their own
_VALIDATION: Final = "*"


@dataclass(frozen=True)
class Grid:
    """A plain table: the heads of its columns, its rows, and which cells are the best of their column."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Runs:
    """All there is to show.

    Attributes:
        experiments: best first; those without the score at the end.
        differing: settings that differ, and their values in that order.
        scores: names of the scores that any of them has.
    """

    experiments: tuple[Experiment, ...]
    differing: Mapping[str, tuple[str, ...]]
    scores: tuple[str, ...]

    @classmethod
    def of(cls, experiments: Sequence[Experiment], sort: str = "cider") -> Runs:
        """Sort and compare.

        Raises:
            UsageError: none of them has the score `sort`.
        """
        known = {name for each in experiments for name in each.scores}
        if sort not in known:
            raise UsageError(f"no run has the score {sort!r}; there are {', '.join(sorted(known)) or 'none'}")
        ordered = tuple(sorted(experiments, key=lambda each: -_score(each, sort)))
        names = dict.fromkeys(name for each in ordered for name in each.settings)
        values = {name: tuple(each.settings.get(name, UNDEFINED) for each in ordered) for name in names}
        differing = {name: row for name, row in values.items() if len(set(row) - {UNDEFINED}) > 1}
        shown = tuple(dict.fromkeys((sort, *SCORES)))
        return cls(ordered, differing, tuple(name for name in shown if name in known))

    def grids(self) -> list[Grid]:
        """The table; where many settings differ, they come in a second one, a row a setting."""
        if len(self.differing) <= _WIDEST:
            return [self._scored(self.differing)]
        heads = ("setting", *(each.name for each in self.experiments))
        return [self._scored({}), Grid(heads, tuple((name, *row) for name, row in self.differing.items()))]

    def csv(self) -> str:
        """One table with everything, scores in full."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["run", *self.differing, *self.scores, "scored"])
        for place, each in enumerate(self.experiments):
            scores = [f"{each.scores[name]:.6g}" if name in each.scores else "" for name in self.scores]
            values = [row[place] for row in self.differing.values()]
            writer.writerow([each.name, *values, *scores, "validation" if each.validation else "cache"])
        return stream.getvalue()

    def markdown(self) -> str:
        """Pipe tables, the best of a column in bold."""
        return "\n\n".join(_pipes(grid) for grid in self.grids()) + "\n" + self.remark("\n")

    def remark(self, before: str = "") -> str:
        """What a reader must know about some of the scores."""
        if not any(each.validation and each.scores for each in self.experiments):
            return ""
        return f"{before}{_VALIDATION} of validation in training; no cache of this run was found\n"

    def _scored(self, settings: Mapping[str, tuple[str, ...]]) -> Grid:
        rows = []
        for place, each in enumerate(self.experiments):
            mark = _VALIDATION if each.validation and each.scores else ""
            scores = [number(each.scores.get(name), digits_of(name)) for name in self.scores]
            marked = [score + mark if score != UNDEFINED else score for score in scores]
            rows.append((each.name, *(row[place] for row in settings.values()), *marked))
        first = 1 + len(settings)
        best = set()
        for column, name in enumerate(self.scores, start=first):
            highest = max(_score(each, name) for each in self.experiments)
            best |= {(row, column) for row, each in enumerate(self.experiments) if _score(each, name) == highest}
        return Grid(("run", *settings, *map(score_label, self.scores)), tuple(rows), frozenset(best))


def _score(experiment: Experiment, name: str) -> float:
    value = experiment.scores.get(name, -math.inf)
    return value if math.isfinite(value) else -math.inf


def _pipes(grid: Grid) -> str:
    labels = {score_label(name) for name in SCORES}
    rows = [
        tuple(f"**{_safe(cell)}**" if (row, column) in grid.best else _safe(cell) for column, cell in enumerate(cells))
        for row, cells in enumerate(grid.rows)
    ]
    rule = tuple("---:" if head in labels else "---" for head in grid.heads)
    lines = (tuple(map(_safe, grid.heads)), rule, *rows)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _safe(text: str) -> str:
    """A cell of a pipe table: one line, and no mark-up."""
    return "".join("\\" + char if char in "\\|*`[]<>" else char for char in printable(text))
