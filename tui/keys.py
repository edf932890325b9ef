"""Every key, declared once: the footer, the help and the user's own key map are made of this list.

The id of a binding is "section.name"; sections are the headings of the help. `description` is the footer's word,
`tooltip` the help's sentence, and `show` says whether the footer has room for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator


def _key(  # noqa: PLR0917 (a table: each column has its place)
    ident: str, key: str, action: str, tooltip: str, shown: str, footer: str = "", *, first: bool = False
) -> Binding:
    """Declare a key: its id, the keys, the action, what it does, how the keys are shown, the footer's word if any."""
    return Binding(
        key, action, footer or tooltip, show=bool(footer), key_display=shown, priority=first, tooltip=tooltip, id=ident
    )


BINDINGS: Final = (
    _key("sample.next", "down,j", "sample(1)", "next sample", "↓ j", "sample"),
    _key("sample.previous", "up,k", "sample(-1)", "previous sample", "↑ k"),
    _key("sample.page_down", "pagedown,ctrl+f,space", "page(1)", "a page down", "PgDn"),
    _key("sample.page_up", "pageup,ctrl+b", "page(-1)", "a page up", "PgUp"),
    _key("sample.top", "g,home,t", "top", "top of the list", "g Home"),
    _key("sample.last", "G,end", "last", "last of the list", "G End"),
    _key("word.next", "right,l", "word(1)", "next word", "→ l", "word"),
    _key("word.previous", "left,h", "word(-1)", "previous word", "← h"),
    _key("word.first", "0", "word_edge(0)", "first word", "0"),
    _key("word.final", "$", "word_edge(-1)", "final word", "$"),
    _key("word.pieces", "p", "pieces", "words, or their tokens", "p"),
    _key("map.toggle", "m", "toggle_map", "map, or the plain picture", "m", "map"),
    _key("map.layer_down", "[", "layer(-1)", "a decoder layer down", "["),
    _key("map.layer_up", "]", "layer(1)", "a decoder layer up", "]"),
    _key("map.head_previous", "{", "head(-1)", "previous head", "{"),
    _key("map.head_next", "}", "head(1)", "next head (mean, max, 1 …)", "}"),
    _key("sort.next", "o", "sort(1)", "by the next score", "o", "sort"),
    _key("sort.previous", "O", "sort(-1)", "by the previous score", "O"),
    _key("sort.reverse", "r", "reverse", "best first, or worst first", "r", "reverse"),
    _key("keep.save", "s", "save", "save this sample's grid", "s", "save"),
    _key("view.scroll_down", "ctrl+d", "scroll_details(1)", "scroll the details down", "^d"),
    _key("view.scroll_up", "ctrl+u", "scroll_details(-1)", "scroll the details up", "^u"),
    _key("view.theme", "T", "toggle_theme", "dark or light", "T"),
    _key("view.help", "?,f1", "help", "this help", "? F1", "help"),
    _key("view.back", "escape", "back", "close help, deselect word", "Esc"),
    _key("program.quit", "q,ctrl+c", "quit", "quit", "q", "quit", first=True),
    _key("program.suspend", "ctrl+z", "suspend_process", "to the shell (fg: back)", "^z"),
)

# The footer has one word for a pair of keys.
FOOTER_KEYS: Final = {"sample.next": "↑↓", "word.next": "←→", "view.help": "?"}

SECTIONS: Final = {
    "sample": "Samples",
    "word": "Words",
    "map": "Attention map",
    "sort": "Order",
    "keep": "Keeping",
    "view": "Panels",
    "program": "Program",
}


def sections() -> Iterator[tuple[str, list[Binding]]]:
    """Return the help: each heading with its keys, in the order of declaration."""
    for section, heading in SECTIONS.items():
        yield heading, [key for key in BINDINGS if (key.id or "").partition(".")[0] == section]
