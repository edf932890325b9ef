"""Judgements joined with a run: which of them are about the captions that the run has now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import pyarrow as pa

    from .statements import Judgement


class Captions(Protocol):
    """What is needed of a run; a cache is one."""

    @property
    def folder(self) -> Path:
        """Where it is on disk."""

    def path(self, index: int, /) -> str:
        """Return the file of a picture."""

    def caption(self, index: int, /) -> str:
        """Return the caption of a picture."""

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a column of texts [count]."""


def judged(run: Captions) -> dict[str, Judgement]:
    """Return what has been said about the pictures of a run with their present captions, by path.

    Raises:
        JudgementsError: The file of judgements cannot be used.
    """
    from .judgements import Judgements  # noqa: PLC0415 (imports sqlite3)

    judgements = Judgements.beside(run.folder)
    try:
        return judgements.current(captions_of(run))
    finally:
        judgements.close()


def captions_of(run: Captions) -> Callable[[Collection[str]], dict[str, str]]:
    """Return a function that looks up the captions of pictures by their paths, leaving out unknown ones."""

    def captions(paths: Collection[str]) -> dict[str, str]:
        if not paths:
            return {}
        import numpy as np  # noqa: PLC0415 (nothing of it is needed where nobody has judged)
        import pyarrow.compute as pc  # noqa: PLC0415

        from . import arrow  # noqa: PLC0415

        known = pc.is_in(run.texts("path").combine_chunks(), value_set=arrow.strings(paths))
        return {run.path(row): run.caption(row) for row in np.flatnonzero(arrow.bools(known)).tolist()}

    return captions
