"""Keeping what was found in runs of captions: grids of attention maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .keeping import Keeping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..captions_app import CaptionBrowser
    from ..saving import Look, Outcome, Panel, Target
    from ..units import Unit
    from .keeping import IsCancelled


class Grids(Keeping):
    """Saves grids; marks samples, and copies their texts.

    Args:
        app: The browser.
    """

    _app: CaptionBrowser

    def __init__(self, app: CaptionBrowser) -> None:
        super().__init__(app)

    def save(self) -> None:
        """Save the grid of the selected sample: its pinned words, or all where none is pinned."""
        index = self._app.listing.index
        if index is None:
            return
        panels = [self._panel(place) for place in range(len(self._app.panels.pins))] if self._app.words.is_read else []
        self._start(lambda _: self._save_one(index, panels))

    def save_marked(self) -> None:
        """Save the grids of all marked samples."""
        if not self.marked:
            self._app.notify("x marks a sample", title="No sample is marked", markup=False)
            return
        indices = self.marked_in_order
        self._start(lambda is_cancelled: self._save_many(indices, is_cancelled))

    def _panel(self, place: int) -> Panel:
        from ..saving import Panel  # noqa: PLC0415 (imports core.figures)

        focus = self._app.panels.pins[place]
        unit: Unit = self._app.words.units[focus.unit or 0]
        return Panel(unit.tokens, unit.text, focus.layer, focus.head)

    def _style(self) -> tuple[Target, Look]:
        from ..saving import Look, Target  # noqa: PLC0415 (imports core.figures)

        app, state = self._app, self._app.panels
        look = Look(state.layer, state.head, state.colormap, state.opacity, by_pieces=app.words.by_pieces)
        return Target(app.settings.figures, app.settings.figure_format, app.listing.key), look

    def _save_one(self, index: int, panels: Sequence[Panel]) -> Outcome:
        from ..saving import Outcome, save_grid  # noqa: PLC0415 (imports matplotlib)

        target, look = self._style()
        file = save_grid(self._app.runs, index, target, look, panels=panels, run=self._app.words.run)
        return Outcome((file,), ())

    def _save_many(self, indices: Sequence[int], is_cancelled: IsCancelled) -> Outcome:
        from ..saving import save_many  # noqa: PLC0415 (imports matplotlib)

        if len(indices) == 1:
            return self._save_one(indices[0], [])
        target, look = self._style()
        return save_many(self._app.runs, indices, target, look, on_progress=self._tell, is_cancelled=is_cancelled)

    def _copied(self, what: str) -> str | None:
        sample = self._app.words.sample
        if what == "caption":
            return None if sample is None else sample.caption
        return super()._copied(what)
