"""Keeping what was found in a zero-shot run: the picture with its bars, and a page of many pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..parts.keeping import Keeping

if TYPE_CHECKING:
    from ..saving import Outcome
    from .app import ClassBrowser

_MOST: Final = 40
"""Pictures in a figure of the list's first, where none is marked."""


class Charts(Keeping):
    """Saves charts; marks pictures, and copies their texts.

    Args:
        app: The browser.
    """

    _app: ClassBrowser

    def __init__(self, app: ClassBrowser) -> None:
        super().__init__(app)

    def save(self) -> None:
        """Save the selected picture with its bars."""
        index, view, settings = self._app.listing.index, self._app.runs, self._app.settings
        if index is None:
            return

        def save(_: object) -> Outcome:
            from ..saving import Outcome, Target  # noqa: PLC0415 (imports core.figures)
            from .saving import save_top_five  # noqa: PLC0415 (imports core.figures)

            target = Target(settings.figures, settings.figure_format)
            return Outcome((save_top_five(view, index, target),), ())

        self._start(save)

    def save_marked(self) -> None:
        """Save one figure of all marked pictures; where none is marked, of the first ones in the list."""
        view, settings = self._app.runs, self._app.settings
        indices, title, which = self._chosen()
        if not indices:
            return
        name = f"{Path(view.folder).name}-{which}-prompt{view.prompt + 1}"
        title = f"{title}, by prompt {view.prompt + 1}: {view.run.prompts[view.prompt].name}"

        def save(_: object) -> Outcome:
            from ..saving import Outcome, Target  # noqa: PLC0415 (imports core.figures)
            from .saving import save_gallery  # noqa: PLC0415 (imports core.figures)

            target = Target(settings.figures, settings.figure_format)
            return Outcome((save_gallery(view, indices, title, name, target, on_progress=self._tell),), ())

        self._start(save)

    def _chosen(self) -> tuple[list[int], str, str]:
        """Return pictures, what the figure of them is called, and what its file is called."""
        if self.marked:
            return self.marked_in_order, f"{len(self.marked):,} marked pictures", "marked"
        ordering = self._app.listing.ordering
        count = 0 if ordering is None else min(_MOST, len(ordering))
        if ordering is None or not count:
            return [], "", ""
        indices = [ordering.index_at(position) for position in range(count)]
        left = self._app.finding.label
        what = f"{count} of {len(ordering):,} pictures" if count < len(ordering) else f"{count} pictures"
        return indices, f"{what} {ordering.label}{f', of {left}' if left else ''}", f"by-{ordering.key}"
