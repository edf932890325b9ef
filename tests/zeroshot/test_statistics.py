"""Intervals, tests and tallies against published and hand-calculated values."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroshot_fakes import made_up

from hw3_browse.cache.zeroshot import Comparison, Confusion, Guesses, Tally
from hw3_browse.core.zeroshot.statistics import compare, mcnemar, summarise, wilson


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [  # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 1998, table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(correct: int, count: int, low: float, high: float) -> None:
    assert wilson(correct, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share_and_is_symmetric(count: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, count))
    low, high = wilson(correct, count)
    assert 0 <= low <= correct / count + 1e-12
    assert correct / count - 1e-12 <= high <= 1
    assert wilson(count - correct, count) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_mcnemar_as_published() -> None:
    # Agresti, "Categorical Data Analysis", table 10.1 (approval of the Prime Minister: 150 against 86).
    assert mcnemar(150, 86) == pytest.approx(3.716e-05, rel=1e-3)
    assert mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)  # by hand
    assert mcnemar(0, 0) == mcnemar(7, 7) == 1.0


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    total = first + second
    tail = sum(math.comb(total, place) for place in range(min(first, second) + 1))
    assert mcnemar(first, second) == pytest.approx(float(min(1, Fraction(2 * tail, 2**total))), rel=1e-9)


def test_mcnemar_takes_large_runs() -> None:
    exact = 2 * sum(math.comb(5000, place) for place in range(2401))
    assert mcnemar(2400, 2600) == pytest.approx(float(Fraction(exact, 2**5000)), rel=1e-6)
    assert 0 <= mcnemar(400_000, 600_000) < 1e-300


def guesses(top: list[list[int]], confidence: list[float], ranks: list[int]) -> Guesses:
    count, kept = len(top), len(top[0])
    rest = np.array(confidence)[:, None] * np.array([1.0] + [0.1] * (kept - 1))
    nothing = np.zeros(count)
    return Guesses(np.array(top, np.int32), rest.astype(np.float32), nothing, nothing, np.array(ranks, np.int32))


#         true class  0  0  0  1  1  2  unknown
TRUTH = np.array([0, 0, 0, 1, 1, 2, -1], np.int32)
FOUND = guesses(
    [[0, 1], [1, 0], [1, 0], [1, 0], [0, 1], [2, 0], [0, 1]],
    [0.95, 0.58, 0.62, 0.99, 0.30, 1.00, 0.99],
    [1, 2, 6, 1, 2, 1, 0],
)


def test_a_summary_by_hand() -> None:
    found = summarise(FOUND, TRUTH, 4)
    assert (found.count, found.correct, found.accuracy) == (6, 3, 0.5)
    assert found.top5 == pytest.approx(5 / 6)
    assert found.class_mean == pytest.approx((1 / 3 + 1 / 2 + 1) / 3)  # class 3 has no picture
    assert (found.low, found.high) == wilson(3, 6)
    assert found.tallies == (Tally(0, 1, 3), Tally(1, 1, 2), Tally(2, 1, 1))
    assert found.confusions == (Confusion(0, 1, 2), Confusion(1, 0, 1))


def test_calibration_by_hand() -> None:
    found = summarise(FOUND, TRUTH, 4)
    assert [(part.count, round(part.high, 4)) for part in found.bins if part.count] == [
        (1, 0.3333),  # .30
        (1, 0.6),  # .58
        (1, 0.6667),  # .62
        (3, 1.0),  # .95, .99, 1.00
    ]
    last = found.bins[-1]
    assert (last.confidence, last.accuracy) == (pytest.approx(0.98), 1.0)
    expected = (abs(0 - 0.30) + abs(0 - 0.58) + abs(0 - 0.62) + 3 * abs(1 - 0.98)) / 6
    assert found.calibration_error == pytest.approx(expected, abs=1e-6)
    assert len(found.bins) == 15


def test_prompts_are_compared_picture_by_picture() -> None:
    other = guesses([[0, 1], [0, 1], [1, 0], [0, 1], [0, 1], [2, 0], [0, 1]], [0.5] * 7, [1, 1, 2, 2, 2, 1, 0])
    assert compare([FOUND, other, FOUND], TRUTH) == (
        Comparison(0, 1, 1, 1, 1.0),
        Comparison(0, 2, 0, 0, 1.0),
        Comparison(1, 2, 1, 1, 1.0),
    )


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 2**31))
def test_a_summary_agrees_with_itself(count: int, labels: int, seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, labels, count).astype(np.int32)
    found = summarise(made_up(count, labels, truth, seed), truth, labels)
    assert sum(tally.count for tally in found.tallies) == sum(part.count for part in found.bins) == count
    assert sum(tally.correct for tally in found.tallies) == found.correct
    assert sum(entry.count for entry in found.confusions) == count - found.correct
    assert found.accuracy <= found.top5 <= 1
    assert 0 <= found.calibration_error <= 1
    right = sum(part.count * part.accuracy for part in found.bins if part.count)
    assert right == pytest.approx(found.correct)
