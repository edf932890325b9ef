"""Histograms of scores: counting, and drawing in block characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.tui.histogram import MARK, Span, draw, histogram

if TYPE_CHECKING:
    from hw3_browse.tui.histogram import Histogram

NAN = float("nan")
VALUES = st.lists(st.floats() | st.sampled_from([0.0, 0.5, 1.0]), max_size=40)


def text(lines: list[list[Span]]) -> list[str]:
    return ["".join(span.text for span in line) for line in lines]


def cells(line: list[Span]) -> list[Span]:
    return [Span(character, span.role, span.backed) for span in line for character in span.text]


def evenly(counts: list[int], left: list[int] | None = None) -> Histogram:
    """Return a histogram with these counts in as many columns: values 0, 1, 2, ..."""
    values = np.repeat(np.arange(len(counts), dtype=np.float64), counts)
    kept = np.concatenate([np.arange(count) < some for count, some in zip(counts, left or counts, strict=True)])
    return histogram(values, None if left is None else kept)


@given(VALUES, st.data())
def test_every_value_is_counted_once(values: list[float], data: st.DataObject) -> None:
    mask = np.asarray(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), np.bool_)
    counted = histogram(np.asarray(values, np.float64), mask, bins=7)
    finite = [math.isfinite(value) for value in values]
    assert counted.whole.shape == counted.left.shape == (7,)
    assert counted.whole.sum() == sum(finite)
    assert counted.undefined == len(values) - sum(finite)
    assert counted.left.sum() == sum(a and b for a, b in zip(finite, mask, strict=True))
    assert counted.left.sum() + counted.undefined_left == mask.sum()
    assert (counted.left <= counted.whole).all()
    for value in (value for value in values if math.isfinite(value)):
        found = counted.bin_of(value)
        assert found is not None
        assert counted.whole[found]


def test_bins_divide_the_range_evenly() -> None:
    counted = histogram(np.array([0.0, 0.24, 0.25, 0.5, 0.99, 1.0, NAN]), bins=4)
    assert counted.whole.tolist() == [2, 1, 1, 2]
    assert (counted.low, counted.high, counted.undefined) == (0, 1, 1)
    assert [counted.bin_of(value) for value in (-5, 0.3, 7, NAN, None)] == [0, 1, 3, None, None]


@given(VALUES, st.integers(1, 60), st.integers(1, 4), st.data())
def test_a_drawing_fills_its_lines(values: list[float], width: int, height: int, data: st.DataObject) -> None:
    mask = np.asarray(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), np.bool_)
    counted = histogram(np.asarray(values, np.float64), mask)
    value = data.draw(st.sampled_from([None, NAN, *values]))
    lines = draw(counted, width, height, value)
    assert [len(line) for line in text(lines)] == [width] * (height + 1)
    is_marked = value is not None and math.isfinite(value)
    assert "".join(text(lines)).count(MARK) == is_marked
    if is_marked:
        column = text(lines)[-1].index(MARK)
        assert cells(lines[-2])[column].role == "mark"  # its bar is never empty: the value itself is in it


def test_the_tallest_fills_the_height_and_none_is_lost() -> None:
    counted = evenly([800, 400, 1, 0, 100])
    assert text(draw(counted, 5, 1))[0] == "█▄▁ ▁"
    assert text(draw(counted, 5, 2))[:2] == ["█    ", "██▁ ▂"]


def test_what_a_filter_leaves_stands_before_the_whole() -> None:
    counted = evenly([8, 8, 8, 2, 4], left=[8, 4, 0, 1, 0])
    assert cells(draw(counted, 5, 1)[0]) == [
        Span("█", "left"),
        Span("▄", "left", backed=True),
        Span("█", "whole"),
        Span("▁", "left"),  # the whole ends nearer to the left part than to the cell's end
        Span("▄", "whole"),
    ]


def test_a_mark_colours_its_bar_and_points_at_it() -> None:
    lines = draw(evenly([8, 4, 8], left=[8, 2, 8]), 3, 1, value=1.0)
    assert cells(lines[0])[1] == Span("▂", "mark")
    assert text(lines)[1] == f" {MARK} "


def test_the_ends_of_the_range_stand_below() -> None:
    counted = histogram(np.array([0.125, 0.5, 1.5]))
    assert text(draw(counted, 24, 1, 0.5))[1] == f"0.1250{MARK}           1.5000"
    assert text(draw(counted, 19, 1))[1] == "0.1250       1.5000"
    assert not text(draw(counted, 18, 1))[1].strip()  # no room: nothing rather than a part of a number


@pytest.mark.parametrize(("value", "line"), [(0.125, "▲0.1250      1.5000"), (1.5, "0.1250      1.5000▲")])
def test_a_label_makes_room_for_the_mark(value: float, line: str) -> None:
    assert text(draw(histogram(np.array([0.125, 0.5, 1.5])), 19, 1, value))[1] == line


@pytest.mark.parametrize("value", np.linspace(0.125, 1.5, 25).tolist())
def test_labels_are_whole_wherever_the_mark_is(value: float) -> None:
    line = text(draw(histogram(np.array([0.125, 1.5])), 19, 1, value))[1]
    assert sorted(line.replace(MARK, " ").split()) == ["0.1250", "1.5000"]
    assert line.count(MARK) == 1


def test_degenerate_distributions() -> None:
    assert text(draw(histogram(np.full(5, 0.5)), 15, 1, 0.5)) == ["       █       ", "0.5000 ▲       "]
    for nothing in (np.empty(0), np.full(3, NAN)):
        assert text(draw(histogram(nothing), 20, 2, 0.5)) == [" " * 20, " " * 20, "no values" + " " * 11]
    assert draw(evenly([1]), 0, 1) == draw(evenly([1]), 5, 0) == []


def test_numbers_at_the_ends_of_what_can_be_written() -> None:
    counted = histogram(np.array([-1.7e308, 1.7e308, 0.0, 5e-324]), bins=3)
    assert counted.whole.tolist() == [1, 2, 1]
