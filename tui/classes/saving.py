"""Saving figures of classified pictures, by core's torch-free figures.

One picture is saved with its bars, `<name>-top5-prompt2.png`; several as one figure of many pictures,
`<dataset>-<which>-prompt2.png`. A file that is there already is never replaced: the next one ends in "-2".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core import figures
from ..saving import ONE_AT_A_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from ..saving import Target
    from .view import ClassView


def save_top_five(view: ClassView, index: int, target: Target) -> Path:
    """Draw and write a picture with the bars of the view's prompt, and return the file.

    Raises:
        Hw3Error: It cannot be drawn or written.
    """
    with ONE_AT_A_TIME:
        figure = figures.top_five([figures.run_panel(view.run, index, view.prompt)])
        return _save(figure, f"{view.name(index)}-top5-prompt{view.prompt + 1}", target)


def save_gallery(
    view: ClassView,
    indices: Sequence[int],
    title: str,
    name: str,
    target: Target,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Draw and write many pictures as one figure, and return the file.

    Raises:
        Hw3Error: It cannot be drawn or written.
    """
    shots = []
    for done, index in enumerate(indices):
        on_progress(done, len(indices))
        shots.append(figures.run_shot(view.run, index, view.prompt))
    with ONE_AT_A_TIME:
        figure = figures.gallery(shots, title)
        return _save(figure, name, target)


def _save(figure: Figure, name: str, target: Target) -> Path:
    return figures.save_figure(figure, target.folder / figures.grid_file_name(name, suffix=f".{target.format}"))
