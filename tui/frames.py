"""What a frame of Textual's writes to the screen.

Textual renders whole widgets for a frame, but writes only the parts of lines that have changed. Pixels are lost under
what is written, and under nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType


def written(frame: RenderableType | None) -> Iterator[Region]:
    """Yield the areas of the screen in which a frame writes cells."""
    if isinstance(frame, LayoutUpdate):
        yield frame.region
    elif isinstance(frame, ChopsUpdate):
        for y, left, right in frame.spans:
            # A line is kept in pieces; one that begins before the span is written from its own beginning.
            pieces = zip(frame.chops[y].items(), frame.chop_ends[y], strict=False)
            starts = [x for (x, strip), end in pieces if strip is not None and x < right and end > left]
            if starts:
                yield Region(min(starts), y, right - min(starts), 1)
