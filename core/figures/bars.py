"""The top-five figure: a picture beside the bars of the five prompts that fit it best.

A prompt stands over its bar, so that a long one has the chart's whole width. The right one is ticked and hatched, the
others are plain: no colour is needed to tell them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from . import lettering
from .layout import DPI, check_dpi
from .originals import enlarged, find_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

    from ...cache.zeroshot import ZeroShotRun

_PICTURE: Final = 2.4  # inches, like all lengths here
_CHART: Final = 4.6
_GAP: Final = 0.25
_MARGIN: Final = 0.12
_BETWEEN: Final = 0.25  # two panels
_ROW: Final = 0.44  # a prompt and its bar
_BAR: Final = 0.36  # of a row's height
_SCALE: Final = 0.24  # the percentages under the chart
_NUMBER: Final = 0.62  # room for the figure behind the longest bar
_TITLE_SIZE: Final = 11.0  # points, like all sizes here
_TEXT_SIZE: Final = 9.0
_SMALLEST_TEXT: Final = 6.0
_NOTE_SIZE: Final = 8.0
_RIGHT: Final = "#9ecae1"
_OTHER: Final = "#bdbdbd"
_TICK: Final = "\N{CHECK MARK} "


@dataclass(frozen=True, slots=True)
class Bar:
    """One prompt.

    Attributes:
        text: The whole of it.
        probability: From 0 to 1.
        right: Whether it is the true class's.
    """

    text: str
    probability: float
    right: bool


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A picture with its bars.

    Attributes:
        image: The picture, at any resolution.
        title: Over both; wrapped.
        bars: Best first.
        note: Small text under both; wrapped.
    """

    image: Image.Image
    title: str
    bars: Sequence[Bar]
    note: str = ""


def top_five(panels: Sequence[Panel], dpi: int = DPI) -> Figure:
    """Draw panels one below the other.

    Args:
        panels: At least one.
        dpi: Pixels to the inch.

    Returns:
        A figure with two axes a panel, picture and chart; give it to `save_figure`.

    Raises:
        UsageError: The resolution is out of range.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (slow, and only for figures)

    check_dpi(dpi)
    wide = 2 * _MARGIN + _PICTURE + _GAP + _CHART
    parts = [_Part(panel, wide - 2 * _MARGIN) for panel in panels]
    tall = 2 * _MARGIN + sum(part.height for part in parts) + _BETWEEN * (len(parts) - 1)
    figure = Figure(figsize=(wide, tall), dpi=dpi, facecolor="white")
    top = _MARGIN
    for part in parts:
        part.draw(figure, top)
        top += part.height + _BETWEEN
    return figure


def run_panel(run: ZeroShotRun, index: int, prompt: int, dpi: int = DPI) -> Panel:
    """Return the panel of one picture of a run.

    Args:
        run: An open run.
        index: The picture, from 0.
        prompt: Whose five most probable labels are shown.
        dpi: Of the figure: a finer one wants the picture's own file.

    Raises:
        IndexError: There is no such picture or prompt.
        CacheDamaged: The run cannot be read.
    """
    asked = run.prompts[prompt]
    truth, rank = run.true_label(index), run.true_rank(index, prompt)
    top = run.top(index, prompt)
    bars = [Bar(asked.texts[label], probability, right=label == truth) for label, probability in top]
    guess, sure = top[0]
    title = f"{run.name(index)}: {run.labels[guess]}, {percent(sure)}"
    notes = [f"the {len(top)} most probable of {len(run.labels):,} classes"]
    if len(asked.templates) > 1:
        notes.append(asked.name)
    if truth is None:
        notes.append("the true class is not known")
    elif truth == guess:
        title += " (right)"
    else:
        title += f" (wrong, it is: {run.labels[truth]})"
        if rank is not None and rank > len(top):
            chance = float(run.values(prompt, "true_probability")[index])
            notes.append(f"the true class comes at place {rank:,} with {percent(chance)}")
    image = find_picture(run, index, run.size(index), round(_PICTURE * dpi))
    return Panel(image, title, bars, "; ".join(notes))


def percent(share: float) -> str:
    """Return a share in per cent, a small one with the digits that show it.

    >>> [percent(share) for share in (0.97312, 0.004211, 0.0000004)]
    ['97.3 %', '0.42 %', '< 0.01 %']
    """
    if share < 0.0001:  # noqa: PLR2004 (what two digits show)
        return "0 %" if share == 0 else "< 0.01 %"
    return f"{100 * share:.2f} %" if share < 0.01 else f"{100 * share:.1f} %"  # noqa: PLR2004


class _Part:
    """A panel with its measures.

    Attributes:
        height: In inches.
    """

    def __init__(self, panel: Panel, width: float) -> None:
        self._panel = panel
        self._heading = lettering.wrap(panel.title, _TITLE_SIZE, width)
        note = "; ".join(
            part for part in (_TICK + "hatched: the true class" if _has_right(panel) else "", panel.note) if part
        )
        self._footing = lettering.wrap(note, _NOTE_SIZE, width)
        self._body = max(_PICTURE, _ROW * len(panel.bars) + _SCALE)
        self.height = (
            lettering.height_of(self._heading, _TITLE_SIZE)
            + self._body
            + lettering.height_of(self._footing, _NOTE_SIZE)
        )

    def draw(self, figure: Figure, top: float) -> None:
        """Draw it, `top` inches below the upper edge."""
        lettering.write(figure, top, self._heading, _TITLE_SIZE, left=_MARGIN)
        top += lettering.height_of(self._heading, _TITLE_SIZE)
        wide, tall = figure.get_size_inches()
        picture = figure.add_axes(
            (_MARGIN / wide, 1 - (top + _PICTURE) / tall, _PICTURE / wide, _PICTURE / tall),
            frameon=False,
            xticks=[],
            yticks=[],
        )
        side = round(_PICTURE * figure.dpi)
        picture.imshow(np.asarray(enlarged(self._panel.image.convert("RGB"), side)))
        picture.set_anchor("N")
        rows = _ROW * len(self._panel.bars)
        left = _MARGIN + _PICTURE + _GAP
        width = _CHART - _NUMBER
        chart = figure.add_axes((left / wide, 1 - (top + rows) / tall, width / wide, rows / tall))
        _chart(chart, self._panel.bars, width)
        lettering.write(figure, top + self._body, self._footing, _NOTE_SIZE, left=_MARGIN)


def _chart(axes: Axes, bars: Sequence[Bar], width: float) -> None:
    """Draw the bars from top to bottom, each under its prompt."""
    axes.set(xlim=(0, 1), ylim=(len(bars), 0), yticks=[], xticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_xticklabels(["0", "25", "50", "75", "100 %"], fontsize=_NOTE_SIZE)
    axes.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    for row, bar in enumerate(bars):
        middle = row + 1 - _BAR / 2 - 0.06
        axes.barh(
            middle,
            bar.probability,
            height=_BAR,
            facecolor=_RIGHT if bar.right else _OTHER,
            edgecolor="black" if bar.right else "#636363",
            hatch="////" if bar.right else None,
            linewidth=0.8,
        )
        axes.annotate(
            percent(bar.probability),
            (bar.probability, middle),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=_TEXT_SIZE,
            annotation_clip=False,
        )
        mark = _TICK if bar.right else ""
        text, size = lettering.fit(mark + bar.text, width + _NUMBER - 0.05, _TEXT_SIZE, _SMALLEST_TEXT)
        axes.annotate(
            text,
            (0, row + 0.5),
            xytext=(3, 1),
            textcoords="offset points",
            va="bottom",
            fontsize=size,
            parse_math=False,
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )


def _has_right(panel: Panel) -> bool:
    return any(bar.right for bar in panel.bars)
