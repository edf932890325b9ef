"""The columns of scores of several runs as one list: what they are called, and in which order they stand.

The first run's scores keep their names, those of the others carry their letter: "b.clipscore". "diff.clipscore" is b's
score less the first run's, and with more than two runs "diff.c.clipscore" is c's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..cache.schema import Score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIFFERENCE: Final = "diff"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of scores: a run's own, or what a run has more of it than the first.

    Attributes:
        score: Its name in the joined list, and what it means. Of differences, the highest is best.
        run: The run, from 0.
        own: Its name in that run.
        is_difference: Whether the first run's score is taken off.
    """

    score: Score
    run: int
    own: str
    is_difference: bool = False

    @property
    def name(self) -> str:
        """Its name in the joined list."""
        return self.score.name


def columns_of(scores: Sequence[Sequence[Score]], labels: Sequence[str]) -> tuple[Column, ...]:
    """Return all columns: each of the first run's scores, behind it the same of the others, at last what it lacks.

    Args:
        scores: Each run's scores.
        labels: Each run's letter.
    """
    columns = [column for score in scores[0] for column in _same(score, scores, labels)]
    known = {score.name for score in scores[0]}
    for run, others in enumerate(scores[1:], start=1):
        columns += [_labelled(score, run, labels) for score in others if score.name not in known]
    return tuple(columns)


def _same(score: Score, scores: Sequence[Sequence[Score]], labels: Sequence[str]) -> Iterator[Column]:
    """Yield a score of the first run, and for each other run that has it the difference and the other's own."""
    yield Column(score, 0, score.name)
    for run, others in enumerate(scores[1:], start=1):
        for other in others:
            if other.name == score.name:
                own = _labelled(other, run, labels)
                name = f"{DIFFERENCE}.{score.name if run == 1 else own.name}"
                meaning = Score(name, higher_is_better=True, description=f"{own.name} less {score.name}")
                yield Column(meaning, run, score.name, is_difference=True)
                yield own


def _labelled(score: Score, run: int, labels: Sequence[str]) -> Column:
    return Column(replace(score, name=f"{labels[run]}.{score.name}"), run, score.name)
