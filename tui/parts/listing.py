"""The list: its order, what a filter leaves of it, and the selected row.

The selected picture is kept by its index, not by its row, so that it survives another order, a resize and a reload.
Where a filter takes it out of the list, the next one that is left is shown; when the filter goes, it comes back, unless
one has walked on. Sorting and filtering run in a thread; an answer to an older question is dropped.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from textual.worker import get_current_worker

from ...cache.errors import Hw3Error
from ...cache.query import QueryCancelled, RunTable
from .. import formats, messages
from ..ordering import BY_NAME, Ordering, keys_of
from ..summary import summarize
from ..widgets.chooser import Choice
from ..widgets.sample_list import Columns

if TYPE_CHECKING:
    from ..app import BrowserApp
    from ..source import Listed

_ARROWS: Final = {False: "best first", True: "worst first"}


class Listing:
    """The list of samples.

    Args:
        app: The browser.
        key: Score by which the list is sorted at first.
        reverse: Whether the worst comes first.
    """

    def __init__(self, app: BrowserApp[Any], key: str, *, reverse: bool) -> None:
        self._app = app
        self.key = key
        self.reverse = reverse
        self.ordering: Ordering | None = None
        self.index: int | None = None
        self._chosen: int | None = None  # what was selected by hand
        self._asked = 0
        self._has_begun = False
        self._steady = Lock()  # a run that goes on must not grow while it is sorted or filtered

    # -- Its order -------------------------------------------------------------------------------------------------

    def sort(self) -> None:
        """Sort and filter anew, in a thread."""
        self._asked += 1
        number, key, reverse = self._asked, self.key, self.reverse
        self._app.title_bar.order = "sorting ..." if self.ordering is None else f"sorting by {key} ..."
        self._app.run_worker(
            lambda: self._build(number, key, reverse=reverse), thread=True, exclusive=True, group="sort"
        )

    def _build(self, number: int, key: str, *, reverse: bool) -> None:
        app, worker = self._app, get_current_worker()
        before = app.details.summary  # its figures of the whole run hold
        try:
            with self._steady:
                app.runs.join()
                table = self._table(key)
                masks = [query.mask(table, lambda: worker.is_cancelled) for query in app.finding.queries]
                mask = np.logical_and.reduce(masks) if masks else None
                if worker.is_cancelled:
                    return
                app.post_message(messages.Ordered(number, Ordering.build(app.runs, key, reverse=reverse, mask=mask)))
                app.post_message(messages.Summed(number, summarize(app.runs, key, mask, before)))
        except QueryCancelled:
            return
        except Hw3Error as error:
            if self._has_begun:
                app.post_message(messages.Problem("The list cannot be shown so", str(error)))
            else:
                app.post_message(messages.CannotGoOn(str(error)))

    def refresh(self) -> bool:
        """Take in what a run that goes on has captioned since; in a worker thread. Tell whether there is anything."""
        with self._steady:
            return bool(self._app.runs.refresh())

    def _table(self, key: str) -> RunTable:
        """Return what the filter language asks, for the run as it is now."""
        app = self._app
        return RunTable(app.runs, key, app.judging.current, frozenset(app.keeping.marked), app.runs.searched)

    def take(self, message: messages.Ordered) -> None:
        """Show another order; the selected picture stays selected, at its new row, or else its next neighbour."""
        if message.number != self._asked:
            return
        ordering = message.ordering
        self._show(ordering if ordering.reverse == self.reverse else ordering.turned())

    def _show(self, ordering: Ordering) -> None:
        app, chosen = self._app, self._chosen
        position = 0 if chosen is None or not len(ordering) else ordering.nearest(chosen)
        is_first, self._has_begun = not self._has_begun, True
        self.ordering = ordering
        app.list_head.show(Columns.of(ordering, app.runs), ordering.key, descending=_descends(app.runs, ordering))
        app.list.show(ordering, Columns.of(ordering, app.runs), position)
        app.title_bar.order = ordering.label
        app.title_bar.filter = app.finding.label
        self._select(position, keep_word=True)
        if is_first:
            app.press_early_keys()

    def stay(self) -> None:
        """Another order could not be had: keep the one that is shown."""
        if self.ordering is None:  # it went while the cache was opened again
            self._app.title_bar.order = "not opened: R tries again"
            return
        self.key, self.reverse = self.ordering.key, self.ordering.reverse
        self._app.title_bar.order = self.ordering.label

    def take_summary(self, message: messages.Summed) -> None:
        """Show the scores of what is left."""
        if message.number == self._asked:
            self._app.details.summary = message.summary

    def next_order(self, step: int) -> None:
        """Sort by the next score."""
        known = keys_of(self._app.runs.score_names)
        self.sort_by(known[(known.index(self.key) + step) % len(known)])

    def sort_by(self, key: str) -> None:
        """Sort by a score, by name, or in the dataset's order; once more turns the list round."""
        if key == self.key:
            self.turn()
            return
        self.key = key
        self.sort()

    def choose_order(self) -> None:
        """Open the menu of scores and columns."""
        choices = [
            Choice(key, _ARROWS[self.reverse] if key == self.key else "", partial(self.sort_by, key))
            for key in keys_of(self._app.runs.score_names)
        ]
        self._app.desk.choose("Sort by", choices, self.key)

    def turn(self) -> None:
        """Turn the list round."""
        self.reverse = not self.reverse
        if self.ordering is not None:
            self._show(self.ordering.turned())

    # -- Its rows --------------------------------------------------------------------------------------------------

    def go(self, position: int) -> None:
        """Select a row, without a word; one beyond an end means the one at that end."""
        if self.ordering is None or not len(self.ordering):
            return
        position = max(0, min(position, len(self.ordering) - 1))
        if self.ordering.index_at(position) != self.index:
            self._app.list.cursor = position
            self._chosen = self.ordering.index_at(position)
            self._select(position, keep_word=False)

    def _select(self, position: int, *, keep_word: bool) -> None:
        app, ordering = self._app, self.ordering
        if ordering is None:
            return
        found = ordering.index_at(position) if len(ordering) else None
        moved = found != self.index
        self.index = found
        self._chosen = found if self._chosen is None else self._chosen
        self._show_place(position)
        if found is None:
            app.pictures.show_nothing()
        elif moved or app.pictures.wanted is None:
            app.leave_picture(keep_word=keep_word)
            app.pictures.ask()
        else:
            app.details.show_order(ordering.key)

    def _show_place(self, position: int) -> None:
        ordering = self.ordering
        if ordering is None:
            return
        if not len(ordering):
            self._app.title_bar.place = f"none of {ordering.of:,}"
            return
        place = f"rank {formats.rank(ordering.rank_at(position))} of {ordering.of:,}"
        left = f" ({position + 1:,} of {len(ordering):,} left)" if len(ordering) < ordering.of else ""
        self._app.title_bar.place = place + left

    def begin_at(self, index: int | None) -> None:
        """Select a picture in the first order that there will be."""
        self.index = self._chosen = index

    def forget(self, index: int | None) -> None:
        """The cache was opened again: the order that is shown does not hold for it; select this picture in the next."""
        self.ordering = None
        self._app.list.clear()
        self.begin_at(index)

    def step(self, count: int) -> None:
        """Go some rows down or up."""
        self.go(self._app.list.cursor + count)

    def page(self, pages: int) -> None:
        """Go pages down or up."""
        self.go(self._app.list.cursor + pages * self._app.list.page)

    def top(self) -> None:
        """Go to the first row."""
        self.go(0)

    def last(self) -> None:
        """Go to the last row."""
        if self.ordering is not None:
            self.go(len(self.ordering) - 1)

    def go_to_index(self, index: int) -> bool:
        """Select a picture; tell whether the filter has left it in the list."""
        if self.ordering is None or not len(self.ordering):
            return False
        position = self.ordering.nearest(index)
        self.go(position)
        return self.ordering.index_at(position) == index


def _descends(runs: Listed, ordering: Ordering) -> bool:
    """Return whether the values in the list go down."""
    higher = {score.name: score.higher_is_better for score in runs.manifest.scores}
    return higher.get(ordering.key, ordering.key != BY_NAME) != ordering.reverse
