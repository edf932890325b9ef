"""Classified pictures beside each other, each with what it was taken for: a page of mistakes at a glance.

A guess has a sign before it, so that right and wrong are told without colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from . import lettering
from .bars import percent
from .layout import DPI, check_dpi
from .originals import enlarged, find_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from PIL import Image

    from ...cache.zeroshot import ZeroShotRun

COLUMNS: Final = 5
_CELL: Final = 1.5  # inches, like all lengths here
_GAP: Final = 0.14
_NEAR: Final = 0.02  # a picture and its text
_MARGIN: Final = 0.12
_TITLE_SIZE: Final = 11.0  # points, like all sizes here
_TEXT_SIZE: Final = 8.5
_SMALLEST_TEXT: Final = 5.5
_SIGNS: Final = {True: "\N{CHECK MARK} ", False: "\N{BALLOT X} ", None: ""}


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture with a few lines under it.

    Attributes:
        image: The picture, at any resolution.
        lines: Texts, each cut to the picture's width.
    """

    image: Image.Image
    lines: Sequence[str]


def gallery(shots: Sequence[Shot], title: str, columns: int = COLUMNS, dpi: int = DPI) -> Figure:
    """Draw pictures in rows.

    Args:
        shots: At least one.
        title: Over all; wrapped.
        columns: Pictures in a row, at most.
        dpi: Pixels to the inch.

    Returns:
        A figure with an axes a picture; give it to `save_figure`.

    Raises:
        UsageError: The resolution is out of range.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (slow, and only for figures)

    check_dpi(dpi)
    columns = max(1, min(columns, len(shots)))
    rows = -(-len(shots) // columns)
    below = lettering.height_of([""] * max(len(shot.lines) for shot in shots), _TEXT_SIZE)
    wide = 2 * _MARGIN + max(columns, 2) * (_CELL + _GAP) - _GAP  # a title needs room
    heading = lettering.wrap(title, _TITLE_SIZE, wide - 2 * _MARGIN)
    top = _MARGIN + lettering.height_of(heading, _TITLE_SIZE)
    tall = top + rows * (_CELL + below + _GAP) - _GAP + _MARGIN
    figure = Figure(figsize=(wide, tall), dpi=dpi, facecolor="white")
    lettering.write(figure, _MARGIN, heading, _TITLE_SIZE, left=_MARGIN)
    for place, shot in enumerate(shots):
        left = _MARGIN + place % columns * (_CELL + _GAP)
        _draw(figure, shot, left, top + place // columns * (_CELL + below + _GAP))
    return figure


def run_shot(run: ZeroShotRun, index: int, prompt: int, dpi: int = DPI) -> Shot:
    """Return a picture of a run with what it was taken for, what it is, and its name.

    Raises:
        IndexError: There is no such picture or prompt.
        CacheDamaged: The run cannot be read.
    """
    truth = run.true_label(index)
    guess, sure = run.top(index, prompt)[0]
    is_right = None if truth is None else truth == guess
    lines = [f"{_SIGNS[is_right]}{run.labels[guess]}, {percent(sure)}"]
    if truth is not None and not is_right:
        chance = float(run.values(prompt, "true_probability")[index])
        lines.append(f"is: {run.labels[truth]}, {percent(chance)}")
    else:
        lines.append("")
    return Shot(find_picture(run, index, run.size(index), round(_CELL * dpi)), [*lines, run.name(index)])


def _draw(figure: Figure, shot: Shot, left: float, top: float) -> None:
    wide, tall = figure.get_size_inches()
    axes = figure.add_axes(
        (left / wide, 1 - (top + _CELL) / tall, _CELL / wide, _CELL / tall), frameon=False, xticks=[], yticks=[]
    )
    axes.imshow(np.asarray(enlarged(shot.image.convert("RGB"), round(_CELL * figure.dpi))))
    axes.set_anchor("S")
    for number, line in enumerate(shot.lines):
        text, size = lettering.fit(line, _CELL, _TEXT_SIZE, _SMALLEST_TEXT)
        down = top + _CELL + _NEAR + number * lettering.line_height(_TEXT_SIZE)
        lettering.write(figure, down, [text], size, left=left)
