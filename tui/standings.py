"""Every score of a sample with its rank in the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .ordering import standing

if TYPE_CHECKING:
    from .source import Scored


@dataclass(frozen=True, slots=True)
class Standing:
    """One score of a sample and where that puts it in the run.

    Attributes:
        name: The score.
        value: Its value, NaN where undefined.
        rank: From 1 for the best; None where undefined.
        of: How many samples have a rank.
    """

    name: str
    value: float
    rank: int | None
    of: int


def standings(source: Scored, index: int) -> tuple[Standing, ...]:
    """Return every score of a picture, in display order; touches every row once for each score."""
    result = []
    for score in source.manifest.scores:
        values = source.scores(score.name)
        rank, of = standing(values, index, higher_is_better=score.higher_is_better)
        result.append(Standing(score.name, float(values[index]), rank, of))
    return tuple(result)
