"""The bars of a picture's most probable classes by one prompt, where captions have the caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from ..classes.drawing import bars

if TYPE_CHECKING:
    from textual.app import RenderResult

    from ..classes.guess import Guess


class Bars(Widget):
    """A line for the prompt, and one for each class; redrawn for every width."""

    prompt: reactive[Content] = reactive(Content)
    guess: reactive[Guess | None] = reactive(None)

    def render(self) -> RenderResult:
        """Draw them; where there are fewer lines, the least probable are left out."""
        width, height = self.size
        if self.guess is None or not width:
            return Content("")
        lines = [self.prompt, *bars(self.guess, width)]
        return Content("\n").join(line.truncate(width, ellipsis=True, pad=True) for line in lines[:height])
