"""Saving the grid of a sample. The one place of the browser that uses `core`: its torch-free figures."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, cast

from ..core import figures

if TYPE_CHECKING:
    from pathlib import Path

    from ..cache.codec import Head
    from ..cache.reader import Cache
    from .source import Source

_ONE_AT_A_TIME: Final = Lock()  # matplotlib's settings are global to the process


def save_grid(source: Source, index: int, folder: Path, *, layer: int, head: Head, score: str) -> Path:
    """Draw and write the grid of one sample, and return the file; one of the same name is never replaced.

    Args:
        source: The cache.
        index: The sample.
        folder: Where the file goes; made if it is not there.
        layer: Decoder layer.
        head: One head, or the mean or the maximum over heads.
        score: The score in title and file name; a key that is no score is left out.

    Raises:
        Hw3Error: It cannot be drawn or written.
    """
    cache = cast("Cache", source)
    named = score if score in source.score_names else None
    value = None if named is None else float(source.scores(named)[index])
    with _ONE_AT_A_TIME:
        figure = figures.sample_grid(cache, index, layer=layer, head=head, score=named)
        return figures.save_figure(figure, folder / figures.grid_file_name(source.name(index), named, value))
