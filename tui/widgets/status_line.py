"""The line above the footer: what the picture panel shows (word, pieces, layer, head, scale), or a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from .. import formats
from ..colormap import LEVELS, table
from ..formats import MUTED

if TYPE_CHECKING:
    from textual.app import RenderResult

_RAMP: Final = 12


class StatusLine(Widget):
    """One line: the state at the left, the scale of the colours at the right."""

    state: reactive[Content] = reactive(Content)
    span: reactive[tuple[float, float] | None] = reactive(None)
    colormap: reactive[str] = reactive("jet")
    monochrome: reactive[bool] = reactive(default=False)

    def render(self) -> RenderResult:
        """Draw it; where there is not room for both, the scale goes."""
        width = self.size.width
        state = Content.assemble(" ", self.state)
        scale = self._scale()
        gap = width - state.cell_length - scale.cell_length
        if gap < 1:
            return state.truncate(width, ellipsis=True)
        return Content.assemble(state, " " * gap, scale)

    def _scale(self) -> Content:
        """Return the colours from low to high, between the least and the most attention that a patch has."""
        if self.span is None:
            return Content("")
        steps = [round(step * (LEVELS - 1) / (_RAMP - 1)) for step in range(_RAMP)]
        colours = table("gray" if self.monochrome else self.colormap)
        shades = [colours[step] for step in steps]
        # Backgrounds look the same in every font, but without colours there are none.
        text, ground = ("█", "") if self.monochrome else (" ", "on ")
        ramp = [(text, f"{ground}rgb({red},{green},{blue})") for red, green, blue in shades]
        low, high = (formats.percent(share) for share in self.span)
        return Content.assemble((f"{low} ", MUTED), *ramp, (f" {high} a patch ", MUTED))
