"""What each prompt made of one picture: read at once in a worker, shown by bars and details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..cells import in_cells

if TYPE_CHECKING:
    from ...cache.zeroshot import ZeroShotRun


@dataclass(frozen=True, slots=True)
class Bar:
    """One class with its probability.

    Attributes:
        label: The class; safe for a terminal, like all texts here.
        text: The whole prompt about it (of an ensemble the class).
        probability: From 0 to 1.
        place: Among all classes, from 1.
        is_true: Whether it is the picture's.
    """

    label: str
    text: str
    probability: float
    place: int
    is_true: bool


@dataclass(frozen=True, slots=True)
class Guess:
    """What one prompt made of a picture.

    Attributes:
        bars: The most probable classes, best first; behind them the true one, where it is known and not among them.
        is_right: Whether the first is the true one; None where that is not known.
        margin: The best probability less the second.
    """

    bars: tuple[Bar, ...]
    is_right: bool | None
    margin: float

    @property
    def best(self) -> Bar:
        """The most probable class."""
        return self.bars[0]

    @property
    def true(self) -> Bar | None:
        """The true class, where it is known."""
        return next((bar for bar in self.bars if bar.is_true), None)


@dataclass(frozen=True, slots=True)
class Classified:
    """A picture, and what it was taken for.

    Attributes:
        index: The picture.
        name: File stem.
        path: File, relative to the image folder.
        size: (width, height), pixels.
        truth: The true class; "" where it is not known.
        guesses: Of each prompt.
    """

    index: int
    name: str
    path: str
    size: tuple[int, int]
    truth: str
    guesses: tuple[Guess, ...]


def read(run: ZeroShotRun, index: int) -> Classified:
    """Read what a run has of a picture.

    Raises:
        CacheError: It cannot be read.
    """
    truth = run.true_label(index)
    return Classified(
        index,
        run.name(index),
        run.path(index),
        run.size(index),
        "" if truth is None else in_cells(run.labels[truth]),
        tuple(_guess(run, index, prompt, truth) for prompt in range(len(run.prompts))),
    )


def _guess(run: ZeroShotRun, index: int, prompt: int, truth: int | None) -> Guess:
    texts = run.prompts[prompt].texts

    def bar(label: int, probability: float, place: int) -> Bar:
        return Bar(in_cells(run.labels[label]), in_cells(texts[label]), probability, place, is_true=label == truth)

    top = run.top(index, prompt)
    bars = [bar(label, probability, place) for place, (label, probability) in enumerate(top, 1)]
    rank = run.true_rank(index, prompt)
    if truth is not None and rank is not None and not any(found.is_true for found in bars):
        bars.append(bar(truth, float(run.values(prompt, "true_probability")[index]), rank))
    margin = float(run.values(prompt, "margin")[index])
    return Guess(tuple(bars), None if truth is None else bars[0].is_true, margin)
