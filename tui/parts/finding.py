"""Search, filter and go: what is typed in the line at the bottom.

Search and filter both narrow the list, together; each takes effect while it is typed. A filter that cannot be read
changes nothing yet: the line above says what is wrong, with a caret at the spot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from textual.content import Content

from ...cache.errors import Hw3Error
from ...cache.query import Query, QueryError, completions, parse, search
from ..cells import in_cells
from ..formats import MUTED
from ..widgets.prompt import Question

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...cache.query import Fields
    from ..app import BrowserApp

_MOST_DIGITS: Final = 18  # of a rank; more do not fit a row's number


class Finding:
    """What the list is narrowed to.

    Args:
        app: The browser.
        expression: A filter to begin with, checked already.
    """

    def __init__(self, app: BrowserApp[Any], expression: str) -> None:
        self._app = app
        self._search = ""
        self._expression = expression
        self._filter: Query | None = parse(expression, self.fields) if expression else None
        self.problem: Content | None = None  # where the filter that is typed is wrong

    @property
    def fields(self) -> Fields:
        """What the filter language may name."""
        fields: Fields = self._app.runs.fields
        return fields

    @property
    def queries(self) -> tuple[Query, ...]:
        """What a sample must fulfil to be in the list."""
        searched = (search(self._search),) if self._search.strip() else ()
        return (*searched, *(() if self._filter is None else (self._filter,)))

    def uses(self, fields: Collection[str]) -> bool:
        """Tell whether the filter names some of these fields, so that the list changes with them."""
        return self._filter is not None and not self._filter.fields.isdisjoint(fields)

    @property
    def label(self) -> str:
        """The search and the filter, for the title line."""
        parts = [f"/{self._search}"] if self._search.strip() else []
        return "  ".join([*parts, *([self._expression] if self._filter is not None else [])])

    @property
    def expression(self) -> str:
        """The filter, as text; "" where there is none."""
        return self._expression if self._filter is not None else ""

    def search(self) -> None:
        """Ask what to search for."""
        before = self._search
        take = self._take_search
        self._app.desk.ask(Question("/", before, take, changed=take, back=lambda: take(before)))

    def _take_search(self, text: str) -> None:
        if text != self._search:
            self._search = text
            self._app.listing.sort()

    def filter(self) -> None:
        """Ask for a filter."""
        before = self._expression, self._filter

        def take(text: str) -> bool:
            try:
                query = parse(text, self.fields) if text.strip() else None
            except QueryError as error:
                self._use(*before)  # what was readable half-way ("clip" of "clipscore < 1") meant something else
                self.point_at(error)
                return False
            self.point_at(None)
            self._use(text.strip(), query)
            return True

        self._app.desk.ask(
            Question(
                "filter: ",
                self._expression,
                take,
                changed=take,
                back=lambda: self._use(*before),
                suggest=lambda typed: completions(typed, self.fields),
            )
        )

    def _use(self, expression: str, query: Query | None) -> None:
        if query != self._filter:
            self._expression, self._filter = expression, query
            self._app.listing.sort()

    def point_at(self, error: QueryError | None) -> None:
        """Put carets above the spot; the typed line is right below. None: nothing is wrong any more."""
        self.problem = None
        if error is not None:
            before = self._app.prompt.cells_before(error.position)
            carets = "v" * max(1, error.length)
            self.problem = Content.assemble(
                " " * max(0, before - 1), (carets, "bold $text-error"), (f" {in_cells(error.problem)}", MUTED)
            )
        self._app.pictures.show_state()

    def clear(self) -> None:
        """Show the whole run again."""
        if not self.queries:
            return
        self._search, self._expression, self._filter = "", "", None
        self._app.listing.sort()

    def go(self) -> None:
        """Ask for a rank or a name."""
        self._app.desk.ask(Question("go to rank or name: ", "", self._go_to))

    def _go_to(self, text: str) -> bool:
        text, listing = text.strip(), self._app.listing
        ordering = listing.ordering
        if not text or ordering is None:
            return True
        try:
            index = self._app.runs.find(text)
        except Hw3Error as error:
            return self._say(in_cells(str(error)))
        if index is None and text.isdecimal():
            listing.go(ordering.row_of_rank(int(text[:_MOST_DIGITS])))
            return True
        if index is None:
            return self._say(f"no picture named {in_cells(text)}: / searches in names")
        if not listing.go_to_index(index):
            return self._say(f"{in_cells(text)} is filtered out: Backspace clears the filter")
        return True

    def _say(self, text: str) -> bool:
        self._app.status.state = Content.styled(text, "$text-error")
        return False
