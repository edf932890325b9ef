"""Charts: how scores are distributed, how sure a classifier was and how often it was right.

Lines are told apart by their kind as well as by their colour (of Okabe and Ito, for all kinds of eyes).
"""

from __future__ import annotations

import math
from itertools import cycle
from typing import TYPE_CHECKING, Final

import numpy as np

from ..figures.lettering import drawable
from .document import Figure
from .files import css_size, to_svg
from .wording import number, score_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ...cache.zeroshot import Prompt
    from .runs import CaptionRun

_WIDTH: Final = 9.0  # inches
_HEIGHT: Final = 2.6  # of a row of panels
_BESIDE: Final = 7.0  # of a square panel with its legend
_SQUARE: Final = 4.0
_PANELS: Final = 2  # in a row
_MOST_BINS: Final = 40
_LINES: Final = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", ":"), ("#CC79A7", "-."))
_MARKERS: Final = ("o", "s", "^", "D")
_FILL: Final = "#c9d8e6"
_TEXT: Final = 9.0  # points
_SMALL: Final = 8.0


def distribution_figure(runs: Sequence[CaptionRun], scores: Sequence[str], name: str) -> Figure:
    """Draw how many pictures have which score: a panel for each score, a line for each run.

    Args:
        runs: Runs over the same pictures.
        scores: Each of them known to some run.
        name: Of the file, with ".svg".
    """
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415 (slow)

    rows = -(-len(scores) // _PANELS)
    drawing = Drawing(figsize=(_WIDTH, rows * _HEIGHT), layout="constrained", facecolor="white")
    panels = drawing.subplots(rows, _PANELS, squeeze=False).ravel()
    medians = []
    for axes, score in zip(panels, scores, strict=False):
        columns = [run.cache.scores(score) if score in run.cache.score_names else np.empty(0) for run in runs]
        finite = [values[np.isfinite(values)] for values in columns]
        _histogram(axes, score, finite, [run.title for run in runs])
        named = zip(runs, finite, strict=True)
        medians += [f"{score_label(score)} of {run.title} {number(_median(values))}" for run, values in named]
    for axes in panels[len(scores) :]:
        axes.remove()
    if len(runs) > 1:
        _legend(panels[0])
    alt = f"Histograms of {', '.join(map(score_label, scores))}; medians: {', '.join(medians)}"
    caption = "Pictures by score; the thin vertical lines are the medians."
    return Figure(name, to_svg(drawing), css_size(drawing), alt, caption)


def calibration_figure(prompts: Sequence[Prompt], best: int, name: str) -> Figure:
    """Draw how often a prompt was right against how sure it was, a line for each of a few prompts.

    Args:
        prompts: Of one run; those whose accuracy is not known are left out.
        best: The prompt that is certainly shown.
        name: Of the file, with ".svg".
    """
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415 (slow)

    drawing = Drawing(figsize=(_BESIDE, _SQUARE), layout="constrained", facecolor="white")
    axes = drawing.subplots()
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8)
    shown = [prompts[best], *(prompt for place, prompt in enumerate(prompts) if place != best)]
    judged = [(prompt.name, prompt.summary.bins) for prompt in shown if prompt.summary is not None]
    for (title, bins), (colour, line), marker in zip(judged, _LINES, _MARKERS, strict=False):
        filled = [one for one in bins if one.count]
        axes.plot(
            [one.confidence for one in filled],
            [one.accuracy for one in filled],
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=4,
            linewidth=1.4,
            label=_label(title),
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("confidence", fontsize=_TEXT)
    axes.set_ylabel("share that was right", fontsize=_TEXT)
    _plain(axes)
    _legend(axes, beside=True)
    caption = "On the thin straight line confidence and accuracy agree; below it the model is too sure."
    return Figure(name, to_svg(drawing), css_size(drawing), "Accuracy by confidence, see the table below", caption)


def _histogram(axes: Axes, score: str, columns: Sequence[NDArray[np.float64]], titles: Sequence[str]) -> None:
    """Draw the values of several runs, a column each, all of them finite."""
    together = np.concatenate(columns)
    edges = np.histogram_bin_edges(together, bins="auto") if len(together) else np.array([0.0, 1.0])
    if len(edges) > _MOST_BINS:
        edges = np.linspace(edges[0], edges[-1], _MOST_BINS + 1)
    for values, title, (colour, line) in zip(columns, titles, cycle(_LINES), strict=False):
        heights = np.histogram(values, edges)[0] if len(values) else np.full(len(edges) - 1, np.nan)
        axes.stairs(heights, edges, color=colour, linestyle=line, linewidth=1.4, label=_label(title))
        if len(columns) == 1:
            axes.stairs(heights, edges, fill=True, color=_FILL)
        if len(values):
            axes.axvline(_median(values), color=colour, linestyle=line, linewidth=0.8)
    axes.set_xlabel(score_label(score), fontsize=_TEXT, parse_math=False)
    axes.set_ylabel("pictures", fontsize=_TEXT)
    axes.set_ylim(bottom=0)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)


def _label(title: str) -> str:
    """Return a name for a legend, which would leave out one that begins with "_"."""
    return f" {drawable(title)}"


def _legend(axes: Axes, *, beside: bool = False) -> None:
    """Name the lines, within the panel where there is room, or to its right."""
    if beside:
        legend = axes.legend(fontsize=_SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    else:
        legend = axes.legend(fontsize=_SMALL, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else math.nan
