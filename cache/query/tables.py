"""What a query needs of a run, and the adapter that makes it of an open cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .fields import TEXTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Judgement(Protocol):
    """What a person said about one picture."""

    @property
    def reasonable(self) -> bool | None:
        """Whether the caption is reasonable; None if nothing was said."""

    @property
    def fits(self) -> Mapping[int, bool]:
        """By the index of a word: whether the region fits it."""

    @property
    def note(self) -> str:
        """A free text."""

    @property
    def tags(self) -> Collection[str]:
        """Short words of the person's own."""


class Columns(Protocol):
    """The columns of a run; `cache.reader.Cache` has them."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def score_names(self) -> Sequence[str]:
        """The columns of scores."""

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of scores [count], NaN where undefined."""

    def order(self, name: str, /) -> NDArray[np.integer]:
        """Return all rows [count], best first, undefined last; by a score, "name" or "index"."""

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a column of texts [count]: strings, or for references lists of strings."""


class Table(Columns, Protocol):
    """A run with all that a query may ask for."""

    @property
    def text_names(self) -> Sequence[str]:
        """The columns that `texts` knows; "name", "path", "caption" and "references" are among them."""

    @property
    def sorted_by(self) -> str | None:
        """What `rank` counts: a score, "name" or "index"; None is "index"."""

    def judgements(self) -> Mapping[str, Judgement]:
        """Return the judgements by the path of the picture."""

    @property
    def marked(self) -> Collection[int]:
        """The marked rows."""


@dataclass(frozen=True, slots=True)
class RunTable:
    """A run as a table for queries; costs nothing to make.

    Attributes:
        columns: The run.
        sorted_by: What `rank` counts, see `Table`.
        judged: Judgements by the path of the picture.
        marked: The marked rows.
        text_names: The columns that `columns.texts` knows.
    """

    columns: Columns
    sorted_by: str | None = None
    judged: Mapping[str, Judgement] = field(default_factory=dict)
    marked: Collection[int] = ()
    text_names: Sequence[str] = TEXTS

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns)

    @property
    def score_names(self) -> Sequence[str]:
        """The columns of scores."""
        return self.columns.score_names

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of scores."""
        return self.columns.scores(name)

    def order(self, name: str, /) -> NDArray[np.integer]:
        """Return the rows, best first."""
        return self.columns.order(name)

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a column of texts."""
        return self.columns.texts(column)

    def judgements(self) -> Mapping[str, Judgement]:
        """Return the judgements by path."""
        return self.judged
