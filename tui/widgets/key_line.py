"""The footer: the few keys one needs, made of the one declaration of keys; a click on one is that key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from ..keys import BINDINGS, FOOTER_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual import events
    from textual.app import RenderResult
    from textual.binding import Binding


class KeyLine(Widget):
    """One line of keys and what they do: the bindings that are declared as shown."""

    def render(self) -> RenderResult:
        """Draw it."""
        return Content("").join(text for _, text in _labels()).truncate(self.size.width, ellipsis=True)

    async def on_click(self, event: events.Click) -> None:
        """Do what the key under the mouse does."""
        end = 0
        for binding, text in _labels():
            end += text.cell_length
            if event.x < end:
                await self.app.run_action(binding.action)
                return


def _labels() -> Iterator[tuple[Binding, Content]]:
    for binding in BINDINGS:
        if binding.show:
            key = FOOTER_KEYS.get(binding.id or "", binding.key_display or binding.key)
            yield binding, Content.assemble((f" {key} ", "bold $text-accent"), f"{binding.description} ")
