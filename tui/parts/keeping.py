"""Keeping what was found: saved grids, marked samples, and text for the clipboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.worker import get_current_worker

from ...cache.errors import Hw3Error
from ...cache.text import printable
from .. import messages
from ..cells import in_cells
from ..formats import MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..app import BrowserApp
    from ..saving import Panel
    from ..units import Unit


class Keeping:
    """What is saved, marked and copied.

    Args:
        app: The browser.
    """

    def __init__(self, app: BrowserApp) -> None:
        self._app = app
        self.marked: set[int] = set()

    # -- Figures ---------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Save the grid of the selected sample: its pinned words, or all where none is pinned."""
        index = self._app.listing.index
        if index is None:
            return
        panels = [self._panel(place) for place in range(len(self._app.panels.pins))] if self._app.words.is_read else []
        self._start([index], panels)

    def save_marked(self) -> None:
        """Save the grids of all marked samples."""
        if not self.marked:
            self._app.notify("x marks a sample", title="No sample is marked", markup=False)
            return
        ordering = self._app.listing.ordering
        indices = sorted(self.marked, key=lambda index: 0 if ordering is None else ordering.nearest(index))
        self._start(indices, [])

    def _panel(self, place: int) -> Panel:
        from ..saving import Panel  # noqa: PLC0415 (imports core.figures)

        focus = self._app.panels.pins[place]
        unit: Unit = self._app.words.units[focus.unit or 0]
        return Panel(unit.tokens, unit.text, focus.layer, focus.head)

    def _start(self, indices: Sequence[int], panels: Sequence[Panel]) -> None:
        app = self._app
        app.status.state = Content.styled("saving ...", MUTED)
        app.run_worker(lambda: self._save(indices, panels), thread=True, group="save")

    def _save(self, indices: Sequence[int], panels: Sequence[Panel]) -> None:
        from ..saving import Look, Target, save_grid, save_many  # noqa: PLC0415 (imports matplotlib)

        app, worker, state = self._app, get_current_worker(), self._app.panels
        look = Look(state.layer, state.head, state.colormap, state.opacity, by_pieces=app.words.by_pieces)
        target = Target(app.settings.figures, app.settings.figure_format, app.listing.key)
        try:
            if panels or len(indices) == 1:
                file = save_grid(app.runs, indices[0], target, look, panels=panels, run=app.words.run)
                app.post_message(messages.Saved([file], []))
                return
            outcome = save_many(
                app.runs,
                indices,
                target,
                look,
                on_progress=self._tell,
                is_cancelled=lambda: worker.is_cancelled,
            )
            app.post_message(messages.Saved(outcome.files, outcome.problems))
        except (Hw3Error, OSError, ImportError) as error:
            app.post_message(messages.NotSaved(str(error)))

    def _tell(self, done: int, total: int) -> None:
        self._app.post_message(messages.Saving(done, total))

    def tell_progress(self, message: messages.Saving) -> None:
        """Say how far it is."""
        self._app.status.state = Content.styled(f"saving {message.done + 1} of {message.total} ...", MUTED)

    def tell_saved(self, message: messages.Saved) -> None:
        """Say where the figures are, and what could not be saved."""
        if message.problems:
            more = f" (and {len(message.problems) - 1} more)" if len(message.problems) > 1 else ""
            self._app.complain("Not all grids were saved", f"{message.problems[0]}{more}")
        if not message.paths:
            self._app.panels.show_state()
            return
        first = message.paths[0]
        many = len(message.paths) > 1
        where = in_cells(f"{len(message.paths)} grids in {first.parent}" if many else str(first))
        self._app.notify(where, title="Saved", markup=False)
        self._app.status.state = Content.assemble(("saved ", "bold $text-success"), where)

    def tell_not_saved(self, message: messages.NotSaved) -> None:
        """Say why there is no figure."""
        self._app.complain("The grid was not saved", message.problem)
        self._app.panels.show_state()

    # -- Marks -----------------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Mark the selected sample, or take its mark away, and go on to the next one."""
        index = self._app.listing.index
        if index is None:
            return
        self.marked ^= {index}
        self._app.list.redraw()
        self._app.listing.step(1)
        if self._app.finding.uses({"marked"}):
            self._app.listing.sort()

    # -- The clipboard ---------------------------------------------------------------------------------------------

    def copy(self, what: str) -> None:
        """Copy the caption, the name or the path through the terminal (OSC 52)."""
        sample = self._app.words.sample
        if sample is None:
            return
        source = self._app.runs.sources[self._app.words.run]
        file = source.image_file(sample.index) or sample.path
        text = printable({"caption": sample.caption, "name": sample.name, "path": str(file)}[what])
        self._app.copy_to_clipboard(text)
        self._app.notify(in_cells(text), title=f"Copied the {what}", markup=False)
