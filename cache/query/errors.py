"""What can be wrong with a filter, and where."""

from __future__ import annotations

from typing import Final

from ..errors import UsageError
from ..text import printable

_LONGEST_QUOTE: Final = 40  # characters of the user's text that a message repeats


class QueryError(UsageError):
    """A filter cannot be understood.

    Attributes:
        text: The whole filter.
        position: Where the trouble begins, in characters from 0; the length of the text if something is missing
            at its end.
        length: How many characters it takes, at least 1.
        problem: What is wrong and what to do, one line without the place.
    """

    def __init__(self, text: str, position: int, length: int, problem: str) -> None:
        """Take the place and what is wrong there."""
        super().__init__(f"filter, character {position + 1}: {problem}")
        self.text = text
        self.position = position
        self.length = max(length, 1)
        self.problem = problem

    def pointing(self, width: int | None = None) -> list[str]:
        """Return two lines for a terminal: the filter, and carets below the place.

        Args:
            width: Cells that a line may take; of a longer filter the part around the place is shown. None is
                any number of cells.
        """
        from rich.cells import cell_len  # noqa: PLC0415 (only a wrong filter needs it)

        end = self.position + self.length
        before, spot, after = (
            printable(part) for part in (self.text[: self.position], self.text[self.position : end], self.text[end:])
        )
        carets = max(cell_len(spot), 1)
        if width is not None and cell_len(before) + carets + cell_len(after) > width:
            carets = min(carets, width)
            before = _last_cells(before, (width - carets) // 2)
            line = _first_cells(before + spot + after, width)
        else:
            line = before + spot + after
        return [line, " " * cell_len(before) + "^" * carets]


class QueryCancelled(Exception):
    """The caller of `Query.mask` wants no answer any more."""


def quoted(text: str) -> str:
    """Return a piece of the user's text for a message: printable, in quotes, not too long."""
    shown = printable(text[: 2 * _LONGEST_QUOTE])
    return f'"{shown[:_LONGEST_QUOTE]}…"' if len(shown) > _LONGEST_QUOTE else f'"{shown}"'


def _first_cells(text: str, width: int) -> str:
    """Return as much of the beginning of the text as fits, with an ellipsis where it is cut."""
    from rich.cells import cell_len  # noqa: PLC0415

    if cell_len(text) <= width:
        return text
    kept = text[:width]
    while cell_len(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def _last_cells(text: str, width: int) -> str:
    """Return as much of the end of the text as fits, with an ellipsis where it is cut."""
    from rich.cells import cell_len  # noqa: PLC0415

    if cell_len(text) <= width:
        return text
    kept = text[-width:] if width else ""
    while cell_len(kept) > max(width - 1, 0):
        kept = kept[1:]
    return f"…{kept}" if width else ""
