"""What has been said about the pictures of a run, joined with the captions that it has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ..cache.judgements import Judgement
    from .source import Source


def opinions(source: Source) -> Mapping[str, Judgement] | None:
    """Return the judgements on the pictures of one run, by path; None where nobody has judged anything.

    Raises:
        Hw3Error: They cannot be read.
    """
    from ..cache.judgements import Judgements  # noqa: PLC0415 (imports sqlite3)

    judgements = Judgements.beside(source.folder)
    try:
        return judgements.current(captions_of(source)) or ({} if judgements.file.exists() else None)
    finally:
        judgements.close()


def captions_of(source: Source) -> Callable[[Collection[str]], dict[str, str]]:
    """Return a function that looks up the captions of pictures by their paths, leaving out unknown ones."""

    def captions(paths: Collection[str]) -> dict[str, str]:
        if not paths:
            return {}
        import numpy as np  # noqa: PLC0415 (nothing of it is needed where nobody has judged)
        import pyarrow.compute as pc  # noqa: PLC0415

        from ..cache import arrow  # noqa: PLC0415

        known = pc.is_in(source.texts("path").combine_chunks(), value_set=arrow.strings(paths))
        rows = np.flatnonzero(arrow.bools(known)).tolist()
        return {source.path(row): source.caption(row) for row in rows}

    return captions
