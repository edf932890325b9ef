"""Text of which every terminal makes as many cells as Rich."""

from __future__ import annotations

import unicodedata

import pyte
import pytest
from fakes import CAPTIONS
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hw3_browse.tui.cells import in_cells


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a plain caption .", "a plain caption ."),
        ("👩‍👩‍👧 family", "👩👩👧 family"),
        ("👍🏽 and 🏽", "👍 and 🏽"),
        ("☝️🏽", "☝"),
        ("🇩🇪 🇫", "DE F"),
        ("❤️ 1️⃣ ⌚︎", "❤ 1⃣ ⌚"),
        ("🏳️‍🌈", "🏳🌈"),
        ("👩‍", "👩"),
        ("می‌خواهم", "می‌خواهم"),  # Persian needs its non-joiner
        ("ශ්‍රී", "ශ්‍රී"),  # Sinhala its joiner
        ("קבוצת שָׁלוֹם", "קבוצת שָׁלוֹם"),
        ("一只猫 cafe\u0301 ｶﾞ 한국어", "一只猫 cafe\u0301 ｶﾞ 한국어"),
        ("\x1b[31mred\u202e", "red"),
        ("\U0001fbff new", "\ufffd new"),  # not assigned to anything
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert in_cells(text) == expected


def advance(text: str) -> int:
    """Return the cells by which a terminal's cursor moves that knows nothing of signs made of several characters."""
    return sum(
        0 if unicodedata.category(character) in {"Mn", "Me", "Cf"} else cell_len(character) for character in text
    )


@given(
    st.text(st.one_of(st.sampled_from("👩👧👍🏽🇩🇪❤️1️⃣🏳🌈\u200d\u200c\ufe0e\ufe0f猫é ש"), st.characters()), max_size=20)
)
def test_parts_count_as_they_do_together(text: str) -> None:
    shown = in_cells(text)
    assert in_cells(shown) == shown
    if not any(unicodedata.category(character) == "Mc" for character in shown):
        assert cell_len(shown) == advance(shown)


@pytest.mark.parametrize("caption", CAPTIONS)
def test_a_terminal_counts_alike(caption: str) -> None:
    screen = pyte.Screen(200, 2)
    pyte.ByteStream(screen).feed(in_cells(caption).encode())
    assert screen.cursor.x == cell_len(in_cells(caption))
