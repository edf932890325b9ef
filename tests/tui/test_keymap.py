"""The user's keys: names, clashes, and what is left for the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.keys import Keys

from hw3_browse.cache.errors import UsageError
from hw3_browse.tui import keys
from hw3_browse.tui.keymap import canonical, keymap
from hw3_browse.tui.settings import Settings, read

DECLARED = (
    Binding("down,j", "next", "next", id="sample.next"),
    Binding("up,k", "previous", "previous", id="sample.previous"),
    Binding("slash", "search", "search", id="find.search"),
    Binding("question_mark,f1", "help", "help", id="view.help"),
)


def mapped(**chosen: str) -> dict[str, str]:
    return keymap(
        Settings(keys={ident.replace("__", "."): text for ident, text in chosen.items()}), DECLARED, {"ctrl+c"}
    )


def test_nothing_chosen_changes_nothing() -> None:
    assert mapped() == {}
    assert keymap(Settings(), keys.BINDINGS, {keys.ALWAYS.key}) == {}  # no two declared keys are the same either


def test_a_chosen_key_replaces_all_declared_ones() -> None:
    assert mapped(sample__next="n, Down") == {"sample.next": "n,down"}


def test_a_key_is_taken_from_who_had_it() -> None:
    assert mapped(sample__next="k,?") == {
        "sample.next": "k,question_mark",
        "sample.previous": "up",
        "view.help": "f1",
    }


def test_keys_can_change_places() -> None:
    assert mapped(sample__next="k", sample__previous="j") == {"sample.next": "k", "sample.previous": "j"}


def test_keys_can_be_taken_away() -> None:
    assert mapped(find__search="") == {"find.search": ""}
    assert mapped(sample__next="/") == {"sample.next": "slash", "find.search": ""}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("?", "question_mark"),
        ("/", "slash"),
        ("solidus", "slash"),
        (",", "comma"),
        (" ", "space"),
        ("+", "plus"),
        ("ctrl++", "ctrl+plus"),
        ("G", "G"),
        ("shift+g", "G"),
        ("shift+/", "slash"),
        ("shift+TAB", "shift+tab"),
        ("Ctrl+F", "ctrl+f"),
        ("ctrl+alt+x", "alt+ctrl+x"),
        ("ctrl+i", "tab"),
        ("Return", "enter"),
        ("PgDn", "pagedown"),
        ("esc", "escape"),
        ("F12", "f12"),
        ("é", "é"),
        ("down", "down"),
        ("dwon", None),
        ("f99", None),
        ("ctrl", None),
        ("strg+a", None),
        ("\x1b", None),
        ("<any>", None),
        ("", None),
        ("ctrl+", None),
    ],
)
def test_names_of_keys(key: str, expected: str | None) -> None:
    assert canonical(key) == expected


@given(st.text(max_size=12))
def test_a_canonical_name_is_its_own(key: str) -> None:
    name = canonical(key)
    assert name is None or ("," not in name and name)
    # Textual writes "«" as the name of the character with its hyphens lost, which nothing can read back.
    assert name is None or canonical(name) == name or not key.isascii()


def test_every_key_of_textual_is_known() -> None:
    assert [key.value for key in Keys if key.value.isprintable() and not canonical(key.value)] == [
        "<any>",
        "<scroll-up>",
        "<scroll-down>",
        "<ignore>",
        "ctrl-at",
    ]


@pytest.mark.parametrize("binding", keys.BINDINGS, ids=lambda binding: binding.id)
def test_declared_keys_are_known(binding: Binding) -> None:
    assert all(canonical(key) for key in binding.key.split(","))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"sample.nxt": "n"}, "unknown id of a key 'sample.nxt'; did you mean 'sample.next'?"),
        ({"sample.next": "dwon"}, "no key is called 'dwon'; did you mean 'down'?"),
        ({"sample.next": "ctrl-n"}, "did you mean 'ctrl+n'?"),
        ({"sample.next": "page down"}, "did you mean 'pagedown'?"),
        ({"sample.next": "strg+n"}, "modifiers are: alt, ctrl"),
        ({"sample.next": "xyzzy"}, "examples:"),
        ({"sample.next": "n,"}, "an empty key"),
        ({"sample.next": "ctrl+c"}, "ctrl+c always quits"),
        ({"sample.next": "n", "find.search": "x,n"}, "n is given to both sample.next and find.search"),
        ({"sample.next": "slash", "find.search": "/"}, "slash is given to both"),
    ],
)
def test_what_cannot_be_is_said(chosen: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        keymap(Settings(keys=chosen), DECLARED, {"ctrl+c"})
    assert message in str(caught.value)


def test_the_line_of_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[keys]\n"view.help" = "h"\n\n[keys.sample]\nnext = "h"\n')
    with pytest.raises(UsageError) as caught:
        keymap(Settings(**read(file), file=file), DECLARED)
    assert str(caught.value) == f"{file}:5: h is given to both view.help and sample.next; give one of them another"


@given(
    st.dictionaries(
        st.sampled_from([binding.id or "" for binding in DECLARED]),
        st.lists(st.sampled_from(["n", "j", "k", "/", "?", "f1", "down"]), max_size=3).map(",".join),
    )
)
def test_no_key_does_two_things(chosen: dict[str, str]) -> None:
    try:
        changed = keymap(Settings(keys=chosen), DECLARED)
    except UsageError:
        given_away = [canonical(key) for text in chosen.values() for key in {*text.split(",")} if key]
        assert len(given_away) > len(set(given_away))
        return
    after = {binding.id or "": changed.get(binding.id or "", binding.key) for binding in DECLARED}
    used = [key for text in after.values() for key in text.split(",") if key]
    assert len(used) == len(set(used))
    for ident, text in chosen.items():
        assert set(after[ident].split(",")) == {canonical(key) or "" for key in text.split(",")}


async def test_textual_obeys_the_names() -> None:
    """What `canonical` says is what Textual sends when the key is pressed."""
    pressed = []

    class Probe(App[None]):
        def __init__(self) -> None:
            super().__init__()
            chosen = ["?", "shift+g", "ctrl+F", "PgDn", ",", "shift+up", "F2", "Del"]
            self._bindings = BindingsMap([Binding(canonical(key) or "", f"note({key!r})") for key in chosen])

        def action_note(self, key: str) -> None:
            pressed.append(key)

    async with Probe().run_test() as pilot:
        await pilot.press("?", "G", "ctrl+f", "pagedown", "comma", "shift+up", "f2", "delete")
    assert pressed == ["?", "shift+g", "ctrl+F", "PgDn", ",", "shift+up", "F2", "Del"]
