"""The help panel: every key with what it does, made of the one declaration of keys and the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ..flow import flow
from ..formats import MUTED
from ..keys import sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import Binding

_HINT: Final = "^d and ^u scroll, Esc closes"
_MOUSE: Final = (
    "Mouse: a click chooses {}; on the head of a column it sorts by it, "
    "and again turns the list round. Shift and the mouse select text as usual."
)


class Help(VerticalScroll, can_focus=False):
    """All keys under their headings; scrolls by the wheel and with the keys for the details.

    Args:
        bindings: The keys as they are now.
        clicked: What a click chooses, in words.
    """

    def __init__(self, bindings: Sequence[Binding], clicked: str) -> None:
        super().__init__()
        self._keys = bindings
        self._clicked = clicked
        self._text = Static()

    def compose(self) -> ComposeResult:
        """Hold one text."""
        yield self._text

    def on_resize(self) -> None:
        """Set the lines anew."""
        self._text.update(explain(self._keys, self._clicked, self.scrollable_content_region.width))


def explain(bindings: Sequence[Binding], clicked: str, width: int) -> Content:
    """Return the help as text, in lines of so many cells: what the keys do stands in a column of its own."""
    keys = [
        (heading, [(key.key_display or key.key, key.tooltip) for key in own]) for heading, own in sections(bindings)
    ]
    indent = max(cell_len(shown) for _, entries in keys for shown, _ in entries) + 3
    lines = [Content.styled(_HINT, MUTED)]
    for heading, entries in keys:
        lines.append(Content.styled(heading, "bold $text-accent"))
        for shown, meaning in entries:
            left = f" {shown}"
            for line in flow(meaning.split(), width - indent):
                text = " ".join(placed.text for placed in line)
                lines.append(Content.assemble((left + " " * (indent - cell_len(left)), "bold"), text))
                left = ""
    lines += [Content(""), Content.styled(_MOUSE.format(clicked), MUTED)]
    return Content("\n").join(lines)
