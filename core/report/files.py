"""Figures as files in memory."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

MEDIA: Final = {".jpg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml"}
"""Media types of figures by the end of their names."""

_CSS_DPI: Final = 96
_JPEG_QUALITY: Final = 88  # colours at full resolution, so that letters stay sharp


def css_size(drawing: Drawing) -> tuple[int, int]:
    """Return how large a figure is shown, in CSS pixels."""
    wide, tall = drawing.get_size_inches()
    return round(wide * _CSS_DPI), round(tall * _CSS_DPI)


def to_jpeg(drawing: Drawing) -> bytes:
    """Return a figure of photographs; as PNG it would be three times as large."""
    return _saved(drawing, "jpeg", pil_kwargs={"quality": _JPEG_QUALITY, "subsampling": 0, "optimize": True})


def to_svg(drawing: Drawing) -> bytes:
    """Return a figure of lines and text; the same figure gives the same bytes."""
    return _saved(drawing, "svg", metadata={"Date": None})


def to_png(drawing: Drawing) -> bytes:
    """Return a figure of flat colours and small pictures."""
    return _saved(drawing, "png", pil_kwargs={"optimize": True})


def _saved(drawing: Drawing, kind: str, **arguments: Any) -> bytes:
    from matplotlib import rc_context  # noqa: PLC0415

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "hw3-browse"}):
        drawing.savefig(buffer, format=kind, dpi="figure", **arguments)
    return buffer.getvalue()
