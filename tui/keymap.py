"""The user's own keys: checked against the declared ones, in Textual's own names.

Textual's `App.set_keymap` would do half of it: of two ids on one key it silently drops one, it cannot take a key
away, and it accepts names that no key has. So the whole map is worked out here, before the browser starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.binding import Binding
from textual.keys import REPLACED_KEYS, key_to_character

from ..cache.errors import UsageError
from .settings import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .settings import Settings

_MODIFIERS: Final = ("alt", "ctrl", "hyper", "meta", "shift", "super")  # in the order in which Textual names them
_FUNCTIONS: Final = 24
_NAMED: Final = frozenset(
    [
        "backspace",
        "delete",
        "down",
        "end",
        "enter",
        "escape",
        "home",
        "insert",
        "left",
        "pagedown",
        "pageup",
        "right",
        "space",
        "tab",
        "up",
    ]
) | {f"f{number}" for number in range(1, _FUNCTIONS + 1)}
# What people write, and what a terminal really sends: Ctrl+I is Tab to it, and Shift+A is "A".
_MEANT: Final = {
    "bksp": "backspace",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+space": "ctrl+at",
    "del": "delete",
    "esc": "escape",
    "ins": "insert",
    "page_down": "pagedown",
    "page_up": "pageup",
    "pgdn": "pagedown",
    "pgup": "pageup",
    "return": "enter",
}


def keymap(
    settings: Settings, declared: Sequence[Binding], reserved: Collection[str] = (), others: Collection[str] = ()
) -> dict[str, str]:
    """Return the keys of every id whose keys are not the declared ones: "key,key", or "" for none.

    A key that the user gives to one id is taken from the id that is declared with it, so that a later version of the
    program, with more keys, still starts with an old config file.

    Args:
        settings: With the user's choice.
        declared: All bindings that have an id.
        reserved: Keys that cannot be given to anything.
        others: Ids that browsers of other kinds of runs have; what is said of them is passed over.

    Raises:
        UsageError: An id or a key is unknown, a key reserved, or two ids have been given the same key; the message
            says where.
    """
    declared_keys = {binding.id or "": _canonical_list(binding.key) for binding in declared}
    owners: dict[str, str] = {}
    chosen: dict[str, list[str]] = {}
    for ident, text in settings.keys.items():
        if ident in others:
            continue
        place = settings.place(f"keys.{ident}")
        if ident not in declared_keys:
            raise UsageError(f"{place}: unknown id of a key {ident!r}; {suggestion(ident, declared_keys)}")
        chosen[ident] = _chosen(text, f"{place}: {ident}")
        for key in chosen[ident]:
            if key in reserved:
                raise UsageError(f"{place}: {ident}: {key} always quits and cannot be given away")
            if owners.setdefault(key, ident) != ident:
                raise UsageError(f"{place}: {key} is given to both {owners[key]} and {ident}; give one of them another")
    result = dict(chosen)
    for ident, keys in declared_keys.items():
        left = [key for key in keys if key not in owners]
        if ident not in chosen and left != keys:
            result[ident] = left
    return {ident: ",".join(keys) for ident, keys in result.items()}


def canonical(key: str) -> str | None:
    """Return Textual's own name of a key ("question_mark" for "?", "G" for "shift+g"); None if there is no such key."""
    key = _MEANT.get(key.lower(), key)
    modifiers, base = _split(key)
    if not set(modifiers) <= set(_MODIFIERS):
        return None
    named = _base(base)
    if named is None:
        return None
    if modifiers == ["shift"] and named not in _NAMED:  # Shift+g arrives as "G", Shift+/ as "?"
        return named.upper() if len(named) == 1 else named
    if modifiers and len(named) == 1:  # Ctrl+F and Ctrl+f are the same to a terminal
        named = named.lower()
    return "+".join([*sorted(set(modifiers)), named])


def _chosen(text: str, place: str) -> list[str]:
    """Return the keys of a comma-separated list."""
    if not text.strip():
        return []
    keys: list[str] = []
    for part in text.split(","):
        key = canonical(part.strip()) if part.strip() else None
        if key is None:
            raise UsageError(f"{place}: {_unknown(part.strip())}")
        if key not in keys:
            keys.append(key)
    return keys


def _unknown(key: str) -> str:
    """Return what is wrong with a key."""
    if not key:
        return 'an empty key in the list; the comma itself is called "comma"'
    mended = key.lower().replace("-", "+").replace(" ", "_")
    if canonical(mended) is not None:
        return f"no key is called {key!r}; did you mean {canonical(mended)!r}?"
    modifiers, base = _split(mended)
    known = sorted(name for name in _NAMED | REPLACED_KEYS.keys() | _MEANT.keys() if "+" not in name and len(name) > 1)
    hint = suggestion(base, known) if len(base) > 1 else ""
    if not hint or hint.startswith("there are"):
        hint = 'examples: "down", "pagedown", "ctrl+n", "f2", "space", "comma", "question_mark", "G"'
    unknown = [modifier for modifier in modifiers if modifier not in _MODIFIERS]
    if unknown and _base(base) is not None:
        hint = f"modifiers are: {', '.join(_MODIFIERS)}"
    return f"no key is called {key!r}; {hint}"


def _split(key: str) -> tuple[list[str], str]:
    """Return modifiers and base; the plus sign is a key, too."""
    if key == "+" or key.endswith("++"):
        head, base = key[:-1].removesuffix("+"), "+"
    else:
        head, _, base = key.rpartition("+")
    return [part.lower() for part in head.split("+")] if head else [], base


def _base(key: str) -> str | None:
    """Return Textual's name of a key without modifiers."""
    lower = key.lower()
    if len(key) > 1 and lower in _NAMED:
        return lower
    character = key if len(key) == 1 else key_to_character(REPLACED_KEYS.get(lower, lower))
    if character is None or not character.isprintable():
        return None
    if character in " ,":  # white space and commas would not come through a list of keys
        return {" ": "space", ",": "comma"}[character]
    (binding,) = Binding.make_bindings([Binding(character, "")])  # Textual normalizes it
    return binding.key


def _canonical_list(keys: str) -> list[str]:
    """Return declared keys in the same spelling as the user's."""
    return [canonical(key.strip()) or key.strip() for key in keys.split(",")]
