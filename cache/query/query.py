"""A parsed filter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .errors import QueryError
from .nodes import And, Anywhere, Node, field_names

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from .tables import Table

LONGEST: Final = 4096
"""Characters that a filter may have."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; equal queries have equal conditions. `str` gives text that `parse` reads back.

    Attributes:
        condition: What must hold; None lets everything through.
    """

    condition: Node | None

    def __str__(self) -> str:
        return "" if self.condition is None else str(self.condition)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it uses: when one of them changes, so may the mask."""
        return frozenset() if self.condition is None else frozenset(field_names(self.condition))

    def mask(self, table: Table, is_cancelled: Callable[[], bool] | None = None) -> NDArray[np.bool_]:
        """Return which rows of a table are meant, bool [count].

        Args:
            table: A table with the fields for which the query was parsed.
            is_cancelled: Asked now and then, from several threads; once it says True the work stops.

        Raises:
            QueryCancelled: The work was stopped.
            Hw3Error: The table could not be read.
        """
        from .evaluation import mask  # noqa: PLC0415 (pyarrow takes a third of a second)

        return mask(self.condition, table, is_cancelled)


def search(text: str) -> Query:
    """Return the query for which every word of a text must occur in the name, a caption or a reference.

    Nothing in the text has a meaning of its own: words are what stands between spaces. Upper and lower case are the
    same. No words let everything through.

    Raises:
        QueryError: The text is too long.
    """
    words = dict.fromkeys(clean(text).split())
    conditions = tuple(Anywhere(word) for word in words)
    return checked(Query(And(conditions) if len(conditions) > 1 else next(iter(conditions), None)), text)


def clean(text: str) -> str:
    """Replace lone surrogates, which a terminal's bytes may turn into, as the cache replaces them in its texts."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def checked(query: Query, text: str) -> Query:
    """Return the query if it can be written down as a filter.

    Raises:
        QueryError: It would be too long.
    """
    length = len(str(query))
    if length > LONGEST:
        raise QueryError(text, 0, len(text), f"too long: written out {length} characters, {LONGEST} are possible")
    return query
