"""What is compared, and the rows that say how it went."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import plain
from measuring.clocks import Timed, ratio
from measuring.tables import number


@dataclass(frozen=True)
class Work:
    """What is measured: pictures, models, how much of it.

    Attributes:
        images: folder of the pictures.
        annotations: their references.
        captioner: checkpoint folder.
        clip: CLIP folder.
        batch: pictures at once, of ours.
        steps: most tokens of a caption.
        rounds: how often each side is timed.
        metrics: reference metrics.
    """

    images: Path
    annotations: Path
    captioner: Path
    clip: Path
    batch: int
    steps: int
    rounds: int
    metrics: tuple[str, ...]

    @cached_property
    def files(self) -> list[Path]:
        """The pictures."""
        return sorted(self.images.iterdir())

    @cached_property
    def references(self) -> list[list[str]]:
        """The references of each."""
        known = plain.read_references(self.annotations)
        return [known[file.name] for file in self.files]


def rates_row(name: str, timed: dict[str, Timed], count: int, same: str) -> tuple[str, ...]:
    """Things a second by both sides, and how many times as quick ours is."""
    rates = (number(count / timed[side].median) for side in ("plain", "ours"))
    return (name, *rates, ratio(timed["plain"], timed["ours"]), same)


def seconds_row(name: str, timed: dict[str, Timed], same: str) -> tuple[str, ...]:
    """Seconds of both sides, and how many times as long the plain one takes."""
    shown = (f"{timed[side].median:.2f}" for side in ("plain", "ours"))
    return (name, *shown, ratio(timed["plain"], timed["ours"]), same)


def within(what: str, difference: float, tolerance: float) -> str:
    """The difference as text; ends the run where it is too large."""
    if not difference <= tolerance:
        raise SystemExit(f"{what}: differ by {difference:.2g}, more than {tolerance:.0e}")
    return f"{difference:.1g}"
