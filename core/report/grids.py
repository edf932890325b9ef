"""Attention grids in a report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..figures import draw, sample_block, token_cells
from .document import Figure
from .files import css_size, to_jpeg
from .wording import count

if TYPE_CHECKING:
    from .options import Options
    from .runs import CaptionRun


def attention_figure(run: CaptionRun, index: int, name: str, options: Options) -> Figure:
    """Draw the attention grid of a picture; its caption stands in the report, as text.

    Args:
        run: The run.
        index: The picture.
        name: Of the file, with ".jpg".
        options: Of the report.

    Raises:
        UsageError: There is no such layer, head or colour map.
        CacheDamaged: The preview or the attention cannot be read.
    """
    sample = run.cache.sample(index)
    cells = token_cells(sample, options.layer, options.head) if run.manifest.attention else []
    block = sample_block(run.cache, index, cells, options.style)
    place = block.note  # "cross-attention, layer 3 of 3, mean over 4 heads"
    drawing = draw([replace(block, title="", note="")], options.style)
    maps = f"plain and with the attention of each of {count(len(cells), 'token')} over it" if cells else "plain"
    alt = f"{sample.name}, {maps}"
    return Figure(name, to_jpeg(drawing), css_size(drawing), alt, f"{place[:1].upper()}{place[1:]}." if place else "")
