"""Every key, declared once: the footer, the help, the palette and the user's own key map are made of this list.

The id of a binding is "section.name"; sections are the headings of the help. `description` is the footer's word,
`tooltip` the help's and the palette's sentence, and `show` says whether the footer has room for it. What a key does is
written "part.verb" with at most one argument: a method of one of the app's parts (tui/parts/).

`BINDINGS` are the keys of captions, `CLASS_BINDINGS` those of a zero-shot run: what both have, they share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from textual.binding import Binding
from textual.keys import format_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def _key(  # noqa: PLR0917 (a table: each column has its place)
    ident: str, keys: str, does: str, argument: int | str | None, tooltip: str, shown: str, footer: str = ""
) -> Binding:
    """Declare a key: its id, the keys, what it does, how the keys are shown, the footer's word if any."""
    action = f"do({does!r})" if argument is None else f"do({does!r}, {argument!r})"
    return Binding(keys, action, footer or tooltip, show=bool(footer), key_display=shown, tooltip=tooltip, id=ident)


BINDINGS: Final = (
    _key("sample.next", "down,j", "listing.step", 1, "next sample", "↓ j", "sample"),
    _key("sample.previous", "up,k", "listing.step", -1, "previous sample", "↑ k"),
    _key("sample.page_down", "pagedown,ctrl+f,space", "listing.page", 1, "a page down", "PgDn"),
    _key("sample.page_up", "pageup,ctrl+b", "listing.page", -1, "a page up", "PgUp"),
    _key("sample.top", "g,home,t", "listing.top", None, "top of the list", "g Home"),
    _key("sample.last", "G,end", "listing.last", None, "last of the list", "G End"),
    _key("sample.go", "colon", "finding.go", None, "go to a rank or a name", ":"),
    _key("find.search", "slash", "finding.search", None, "search names, captions, references", "/", "search"),
    _key("find.filter", "F", "finding.filter", None, "filter: clipscore < .5 and caption ~ dog", "F"),
    _key("find.clear", "backspace", "finding.clear", None, "clear search and filter", "Bksp"),
    _key("sort.menu", "o", "listing.choose_order", None, "sort by ... (menu)", "o", "sort"),
    _key("sort.next", "O", "listing.next_order", 1, "by the next score", "O"),
    _key("sort.reverse", "r", "listing.turn", None, "best first, or worst first", "r"),
    _key("word.next", "right,l", "words.step", 1, "next word", "→ l", "word"),
    _key("word.previous", "left,h", "words.step", -1, "previous word", "← h"),
    _key("word.first", "0", "words.edge", 0, "first word", "0"),
    _key("word.final", "dollar_sign", "words.edge", -1, "final word", "$"),
    _key("word.jump", "f", "words.jump", None, "to the next word that begins with ...", "f"),
    _key("word.pieces", "p", "words.pieces", None, "words, or their tokens", "p"),
    _key("word.run", "v", "words.next_run", None, "walk the words of the other run", "v"),
    _key("map.toggle", "m", "panels.toggle_map", None, "map, or the plain picture", "m"),
    _key("map.layer_down", "left_square_bracket", "panels.change_layer", -1, "a decoder layer down", "["),
    _key("map.layer_up", "right_square_bracket", "panels.change_layer", 1, "a decoder layer up", "]"),
    _key("map.head_previous", "left_curly_bracket", "panels.change_head", -1, "previous head", "{"),
    _key("map.head_next", "right_curly_bracket", "panels.change_head", 1, "next head (mean, max, 1 ...)", "}"),
    _key("map.fainter", "left_parenthesis", "panels.fade", -1, "fainter map", "("),
    _key("map.stronger", "right_parenthesis", "panels.fade", 1, "stronger map", ")"),
    _key("map.colours", "comma", "panels.next_colours", None, "other colours", ","),
    _key("panel.pin", "w", "panels.pin", None, "pin this map beside the others; again: let it go", "w", "pin"),
    _key("panel.unpin", "W", "panels.unpin", None, "let all pinned maps go", "W"),
    _key("panel.next", "tab", "panels.walk", 1, "next pinned map", "Tab"),
    _key("panel.previous", "shift+tab", "panels.walk", -1, "previous pinned map", "⇧Tab"),
    _key("panel.words", "a", "panels.sheet_of", "words", "all words at once", "a", "all"),
    _key("panel.heads", "A", "panels.sheet_of", "heads", "this word in all layers and heads", "A"),
    _key("judge.fits", "y", "judging.word", 1, "the region fits the word (no word: the caption is good)", "y"),
    _key("judge.misses", "n", "judging.word", 0, "the region does not fit (no word: the caption is bad)", "n"),
    _key("judge.good", "Y", "judging.caption", 1, "the caption is reasonable", "Y"),
    _key("judge.bad", "N", "judging.caption", 0, "the caption is not reasonable", "N"),
    _key("judge.tag", "number_sign", "judging.tag", None, "tags", "#"),
    _key("judge.note", "e", "judging.note", None, "write a note", "e"),
    _key("judge.undo", "U", "judging.undo", None, "take the last judgement back", "U"),
    _key("keep.save", "s", "keeping.save", None, "save the grid of the pinned words, or of all", "s", "save"),
    _key("keep.mark", "x", "keeping.mark", None, "mark this sample", "x"),
    _key("keep.save_marked", "S", "keeping.save_marked", None, "save the grids of all marked samples", "S"),
    _key("keep.copy_caption", "c", "keeping.copy", "caption", "copy the caption", "c"),
    _key("keep.copy_name", "C", "keeping.copy", "name", "copy the name", "C"),
    _key("keep.copy_path", "P", "keeping.copy", "path", "copy the path", "P"),
    _key("view.scroll_down", "ctrl+d", "desk.scroll", 1, "scroll the details down", "^d"),
    _key("view.scroll_up", "ctrl+u", "desk.scroll", -1, "scroll the details up", "^u"),
    _key("view.palette", "ctrl+p", "desk.palette", None, "all commands, by name", "^p"),
    _key("view.theme", "T", "desk.toggle_theme", None, "dark or light", "T"),
    _key("view.themes", "ctrl+t", "desk.choose_theme", None, "another theme", "^t"),
    _key("view.runs", "b", "others.choose", None, "browse another run (menu)", "b"),
    _key("view.reload", "R,f5", "desk.reload", None, "open the cache again", "R F5"),
    _key("view.help", "question_mark,f1", "desk.help", None, "this help", "? F1", "help"),
    _key("view.back", "escape", "desk.back", None, "one step back: close, clear, deselect", "Esc"),
    _key("program.quit", "q", "desk.quit", None, "quit", "q", "quit"),
    _key("program.suspend", "ctrl+z", "desk.suspend", None, "to the shell (fg: back)", "^z"),
)

_ONLY_OF_CAPTIONS: Final = frozenset({"word", "map", "panel"})  # sections
_NOT_OF_CLASSES: Final = frozenset({"judge.fits", "judge.misses", "judge.good", "judge.bad", "keep.copy_caption"})
# Keys of a zero-shot run that captions do not have, and what shared keys mean there.
_OF_CLASSES: Final = (
    _key("find.search", "slash", "finding.search", None, "search names and classes", "/", "search"),
    _key("find.filter", "F", "finding.filter", None, "filter: class = dog and not correct", "F", "filter"),
    _key("prompt.next", "right,l", "guesses.step", 1, "next prompt", "→ l", "prompt"),
    _key("prompt.previous", "left,h", "guesses.step", -1, "previous prompt", "← h"),
    _key("prompt.menu", "p", "guesses.choose", None, "prompts (menu)", "p"),
    _key("keep.save", "s", "keeping.save", None, "save picture and bars as a figure", "s", "save"),
    _key("keep.save_marked", "S", "keeping.save_marked", None, "one figure of all marked, or of the list's first", "S"),
)
# Works while a line is typed, too, and cannot be mapped away.
ALWAYS: Final = Binding("ctrl+c", "do('desk.quit')", "quit", show=False, priority=True, id="program.interrupt")

# The footer has one word for a pair of keys.
FOOTER_KEYS: Final = {"sample.next": "↑↓", "word.next": "←→", "prompt.next": "←→", "view.help": "?"}

SECTIONS: Final = {
    "sample": "Samples",
    "find": "Finding",
    "sort": "Order",
    "word": "Words",
    "prompt": "Prompts",
    "map": "Attention map",
    "panel": "Panels of maps",
    "judge": "Judging",
    "keep": "Keeping",
    "view": "Screen",
    "program": "Program",
}


def _of_classes() -> tuple[Binding, ...]:
    """Return the keys of a zero-shot run, in the order of the sections."""
    own = {binding.id: binding for binding in _OF_CLASSES}
    shared = [own.pop(binding.id, binding) for binding in BINDINGS if _is_shared(binding.id or "")]
    return tuple(binding for _, keys in sections([*shared, *own.values()]) for binding in keys)


def _is_shared(ident: str) -> bool:
    return ident.partition(".")[0] not in _ONLY_OF_CAPTIONS and ident not in _NOT_OF_CLASSES


def idents() -> frozenset[str]:
    """Return the ids of all keys that can be mapped, whatever kind of run they are for."""
    return frozenset(binding.id or "" for binding in everything())


def everything() -> tuple[Binding, ...]:
    """Return every id once: the keys of captions, then those that a zero-shot run alone has."""
    known = {binding.id for binding in BINDINGS}
    return (*BINDINGS, *(binding for binding in CLASS_BINDINGS if binding.id not in known))


def mapped(declared: Sequence[Binding], keymap: Mapping[str, str]) -> tuple[Binding, ...]:
    """Return bindings with the user's own keys: id to "key,key" in Textual's names of keys, or "" for none."""
    return tuple(_with_keys(binding, keymap.get(binding.id or "")) for binding in declared)


def _with_keys(binding: Binding, keys: str | None) -> Binding:
    if keys is None:
        return binding
    shown = " ".join(format_key(key) for key in keys.split(",")) if keys else "none"
    return replace(binding, key=keys, key_display=shown)


def sections(bindings: Sequence[Binding]) -> Iterator[tuple[str, list[Binding]]]:
    """Return the help: each heading with its keys, in the order of declaration."""
    for section, heading in SECTIONS.items():
        own = [key for key in bindings if (key.id or "").partition(".")[0] == section]
        if own:
            yield heading, own


CLASS_BINDINGS: Final = _of_classes()
