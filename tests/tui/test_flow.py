"""Words in lines and the way back from a cell to a word, for texts of every script."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hw3_browse.tui.flow import NARROWEST, flow, line_of, unit_at
from hw3_browse.tui.units import visible

ALPHABET = st.sampled_from(["a", "b", "猫", "ש", "e\u0301", "👩‍👩‍👧", "ﷺ", "-", "ก", "ี", " "])
WORDS = st.lists(st.lists(ALPHABET, max_size=12).map("".join).map(visible), max_size=20)


@given(WORDS, st.integers(0, 40))
def test_every_word_is_there_once_and_fits(texts: list[str], width: int) -> None:
    lines = flow(texts, width)
    for line in lines:
        end = -1
        for placed in line:
            assert placed.x > end  # a cell between two words
            end = placed.x + placed.width
            assert placed.width == cell_len(placed.text)
        assert end <= max(width, NARROWEST)
    for unit, text in enumerate(texts):
        parts = [placed.text for line in lines for placed in line if placed.unit == unit]
        assert "".join(parts) == text or cell_len("".join(parts)) == cell_len(text)


@given(WORDS, st.integers(1, 40))
def test_a_click_finds_the_word_under_it(texts: list[str], width: int) -> None:
    lines = flow(texts, width)
    owners = {
        (placed.x + cell, y): placed.unit
        for y, line in enumerate(lines)
        for placed in line
        for cell in range(placed.width)
    }
    for y in range(-1, len(lines) + 1):
        for x in range(-1, width + 2):
            assert unit_at(lines, x, y) == owners.get((x, y))


@given(WORDS, st.integers(1, 40))
def test_line_of_a_word_is_its_first(texts: list[str], width: int) -> None:
    lines = flow(texts, width)
    for unit in range(len(texts)):
        found = line_of(lines, unit)
        assert any(placed.unit == unit for placed in lines[found])
        assert not any(placed.unit == unit for line in lines[:found] for placed in line)


def test_known_lines() -> None:
    lines = flow(["two", "dogs", "猫猫", "skateboarding"], 8)
    assert [[(placed.x, placed.text) for placed in line] for line in lines] == [
        [(0, "two"), (4, "dogs")],
        [(0, "猫猫")],
        [(0, "skateboa")],
        [(0, "rding")],
    ]


def test_visible_text_is_never_empty() -> None:
    assert visible("") == visible(" \x1b[31m") == "·"
    assert visible(" a\tb ") == "a b"
