"""Text from strangers becomes one safe line."""

from __future__ import annotations

import unicodedata

import pytest
from fakes import CAPTIONS
from hypothesis import example, given
from hypothesis import strategies as st

from hw3_browse.cache.text import printable


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("a plain caption .", "a plain caption ."),
        ("", ""),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;1;2;3mred\x1b[m", "red"),
        ("\x9b31mred", "red"),  # the one-character form of ESC [
        ("\x1b]0;my title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGVsbG8=\x07", ""),  # would fill the clipboard
        ("\x1b_Gf=100;AAAA\x1b\\cat", "cat"),  # a kitty picture
        ("\x1bPq#0\x1b\\cat", "cat"),  # a sixel picture
        ("\x1b]0;never ended", "0;never ended"),
        ("\x1b\x1b[31m[31mx", "[31mx"),
        ("\x1bcreset", "reset"),
        ("two\nlines\r\nthree\u2028four\u0085five\vsix\fseven", "two lines three four five six seven"),
        ("tab\tstop", "tab stop"),
        ("bell\x07 nul\x00 del\x7f back\bspace", "bell nul del backspace"),
        ("\u202egnp.exe\u202c \u2066x\u2069 \u200fy", "gnp.exe x y"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("tags \U000e0041\U000e0042", "tags "),
        ("kitty \U0010eeee\u0305", "kitty \ufffd\u0305"),
        ("lone \udce9", "lone \ufffd"),
        ("cafe\u0301 👩‍👩‍👧 می‌خواهم עברית 猫", "cafe\u0301 👩‍👩‍👧 می‌خواهم עברית 猫"),
        ("a" + "\u0301" * 50, "a" + "\u0301" * 8),
        ("a" + "\u0301\u200b" * 50, "a" + "\u0301" * 8),
        ("[bold]markup stays[/]", "[bold]markup stays[/]"),
    ],
)
def test_examples(raw: str, safe: str) -> None:
    assert printable(raw) == safe


_HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x9b\x9d\x90\x9c\x07[]0;mPX^_\\\r\n\u202e\u200d\u0301"),
        st.characters(categories=["Cs", "Co", "Cf", "Cc", "Mn"]),
    )
)


@given(_HOSTILE)
@example("\x1b\x1b]x\x07]y\x07")
@example("a" + "\u0301" * 8 + "\u200d" + "\u0301" * 8)
def test_nothing_dangerous_is_left(raw: str) -> None:
    safe = printable(raw)
    safe.encode("utf-8")
    assert len(safe.splitlines()) <= 1
    assert not [c for c in safe if unicodedata.category(c) in {"Cc", "Cs", "Co", "Zl", "Zp"}]
    assert {c for c in safe if unicodedata.category(c) == "Cf"} <= {"\u200c", "\u200d"}
    assert printable(safe) == safe


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


def test_long_hostile_text_takes_linear_time() -> None:
    """A pattern that ran over other introducers would take hours here."""
    for unit in ("\x1b]", "\x9d", "\x1b[", "\x9b0", "\x1bP0", "\x1b "):
        assert len(printable(unit * 200_000)) <= 2 * 200_000


def test_captions_of_the_fakes_are_hostile() -> None:
    assert any(printable(caption) != caption for caption in CAPTIONS)
