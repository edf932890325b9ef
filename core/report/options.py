"""What a report shows, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..figures import Style

if TYPE_CHECKING:
    from pathlib import Path

    from ...cache.codec import Head

ASSIGNMENT_NAMES: Final = ("bike", "girl", "sheep", "ski", "umbrella")
"""The pictures of the assignment's third problem."""

STYLE: Final = Style(columns=5, colormap="inferno", opacity=0.5, dpi=120)
"""How attention grids are drawn. Unlike those of jet, inferno's colours grow brighter with the attention, so that a
print in grey says the same; on A4 a picture has 180 dots per inch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a report shows, and how.

    Attributes:
        title: Of the report.
        sort: Score by which captions are ranked; None is CLIPScore, or else the first that a run has.
        top: Best captions shown.
        last: Worst captions shown.
        names: Pictures shown besides; None is those of the assignment, where a run has them.
        filter: Which pictures are shown, in the filter language; "" is all. Tables of whole runs stay whole.
        judged: Judged pictures shown besides.
        instances: True boxes (COCO instances) to measure attention by; None is the demo's, for the demo.
        layer: Decoder layer of the maps; -1 is the last.
        head: One head of the maps, or the mean or the largest weight over all heads.
        style: How attention grids are drawn.
        tables_only: Leave out all figures.
        command: What makes this report, for who wants to repeat it.
    """

    title: str = "Report"
    sort: str | None = None
    top: int = 3
    last: int = 3
    names: tuple[str, ...] | None = None
    filter: str = ""
    judged: int = 12
    instances: Path | None = None
    layer: int = -1
    head: Head = "mean"
    style: Style = field(default=STYLE)
    tables_only: bool = False
    command: str = ""
