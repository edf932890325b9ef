"""The footer: the few keys one needs, made of the one declaration of keys; a click on one is that key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from ..keys import FOOTER_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual import events
    from textual.app import RenderResult
    from textual.binding import Binding


class KeyLine(Widget):
    """One line of keys and what they do: the bindings that are declared as shown.

    Args:
        bindings: The keys as they are now.
        mapped: The ids whose keys the user has chosen: the short names of pairs do not hold for them.
    """

    def __init__(self, bindings: Sequence[Binding], mapped: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._keys = bindings
        self._mapped = mapped

    def render(self) -> RenderResult:
        """Draw it."""
        return Content("").join(text for _, text in self._labels()).truncate(self.size.width, ellipsis=True)

    async def on_click(self, event: events.Click) -> None:
        """Do what the key under the mouse does."""
        end = 0
        for binding, text in self._labels():
            end += text.cell_length
            if event.x < end:
                await self.app.run_action(binding.action)
                return

    def _labels(self) -> Iterator[tuple[Binding, Content]]:
        for binding in self._keys:
            if binding.show and binding.key:
                own = binding.key_display or binding.key
                key = own if binding.id in self._mapped else FOOTER_KEYS.get(binding.id or "", own)
                yield binding, Content.assemble((f" {key} ", "bold $text-accent"), f"{binding.description} ")
