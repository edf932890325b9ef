"""The order of the list: ranks, turning round, ties, undefined scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.errors import UsageError
from hw3_browse.tui.ordering import Ordering, check_key, default_key, keys_of, standing

if TYPE_CHECKING:
    from hw3_browse.tui.source import Source

SCORES = st.lists(st.sampled_from([0.0, 0.5, 0.5, 1.0, float("nan")]), min_size=1, max_size=30)


class Column:
    """A source with one score, higher is better."""

    score_names = ("clipscore",)

    def __init__(self, values: list[float]) -> None:
        self._values = np.asarray(values)

    def __len__(self) -> int:
        return len(self._values)

    def scores(self, name: str) -> np.ndarray:
        assert name == "clipscore"
        return self._values

    def order(self, name: str) -> np.ndarray:
        return np.argsort(-self._values, kind="stable") if name == "clipscore" else np.arange(len(self))


def build(values: list[float], key: str = "clipscore", *, reverse: bool = False) -> Ordering:
    return Ordering.build(cast("Source", Column(values)), key, reverse=reverse)


@given(SCORES, st.booleans())
def test_a_list_is_sorted_and_its_undefined_come_last(values: list[float], reverse: bool) -> None:
    ordering = build(values, reverse=reverse)
    rows = [ordering.value_at(position) for position in range(len(ordering))]
    defined = [value for value in rows if value is not None and not np.isnan(value)]
    assert defined == sorted(defined, reverse=not reverse)
    assert np.isnan(rows[len(defined) :]).all()
    assert sorted(ordering.index_at(position) for position in range(len(ordering))) == list(range(len(values)))


@given(SCORES)
def test_a_picture_keeps_its_rank_when_the_list_is_turned(values: list[float]) -> None:
    ordering = build(values)
    turned = ordering.turned()
    for index, value in enumerate(values):
        rank = ordering.rank_at(ordering.position_of(index))
        assert turned.rank_at(turned.position_of(index)) == rank
        assert (rank is None) == np.isnan(value)
        assert ordering.index_at(ordering.position_of(index)) == index
        assert turned.index_at(turned.position_of(index)) == index
    assert turned.turned().reverse == ordering.reverse


@given(SCORES)
def test_the_standing_is_the_rank(values: list[float]) -> None:
    ordering = build(values)
    for index in range(len(values)):
        rank, of = standing(np.asarray(values), index, higher_is_better=True)
        assert rank == ordering.rank_at(ordering.position_of(index))
        assert of == ordering.ranked


def test_a_standing_where_lower_is_better() -> None:
    assert standing(np.asarray([3.0, 1.0, np.nan, 2.0]), 3, higher_is_better=False) == (2, 3)


def test_there_is_no_row_outside() -> None:
    ordering = build([1.0, 2.0])
    for position in (-1, 2):
        with pytest.raises(IndexError):
            ordering.index_at(position)
    with pytest.raises(ValueError, match="no picture 5"):
        ordering.position_of(5)


def test_keys() -> None:
    assert keys_of(["cider"]) == ("cider", "name", "index")
    assert default_key(["cider", "clipscore"]) == "clipscore"
    assert default_key(["cider"]) == "cider"
    assert default_key([]) == "index"
    check_key("name", [])
    with pytest.raises(UsageError, match="did you mean 'clipscore'"):
        check_key("clip-score", ["cider", "clipscore"])


def test_labels_say_the_order() -> None:
    assert build([1.0]).label == "by clipscore, best first"
    assert build([1.0], reverse=True).label == "by clipscore, worst first"
    assert build([1.0], "index").label == "dataset order"
    assert build([1.0], "index").value_at(0) is None


# -- What a filter leaves --------------------------------------------------------------------------------------------


def masked(values: list[float], data: st.DataObject) -> np.ndarray:
    return np.asarray(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))


@given(SCORES, st.booleans(), st.data())
def test_a_filter_leaves_rows_in_their_order_and_ranks_as_they_were(
    values: list[float], reverse: bool, data: st.DataObject
) -> None:
    mask = masked(values, data)
    whole = build(values, reverse=reverse)
    ordering = Ordering.build(cast("Source", Column(values)), "clipscore", reverse=reverse, mask=mask)
    everything = [whole.index_at(position) for position in range(len(whole))]
    left = [index for index in everything if mask[index]]
    assert [ordering.index_at(position) for position in range(len(ordering))] == left
    assert ordering.of == len(values)
    for position, index in enumerate(left):
        assert ordering.rank_at(position) == whole.rank_at(whole.position_of(index))
        assert ordering.position_of(index) == ordering.nearest(index) == position
        value = ordering.value_at(position)
        assert value is not None
        np.testing.assert_equal(value, values[index])


@given(SCORES, st.booleans(), st.data())
def test_a_filtered_out_picture_has_its_next_one(values: list[float], reverse: bool, data: st.DataObject) -> None:
    mask = masked(values, data)
    whole = build(values, reverse=reverse)
    ordering = whole.filtered(mask)
    everything = [whole.index_at(position) for position in range(len(whole))]
    for place, index in enumerate(everything):
        following = [other for other in everything[place:] if mask[other]]
        expected = following[0] if following else next((other for other in reversed(everything) if mask[other]), None)
        position = ordering.nearest(index)
        assert (None if expected is None else ordering.index_at(position)) == expected
        if not mask[index]:
            with pytest.raises(ValueError, match=f"picture {index} is not in the list"):
                ordering.position_of(index)


@given(SCORES, st.booleans(), st.data())
def test_the_row_of_a_rank(values: list[float], reverse: bool, data: st.DataObject) -> None:
    ordering = build(values, reverse=reverse).filtered(masked(values, data))
    for position in range(len(ordering)):
        rank = ordering.rank_at(position)
        if rank is not None:
            assert ordering.row_of_rank(rank) == position
    for rank in (-1, 0, 1, 1000):
        assert 0 <= ordering.row_of_rank(rank) <= max(0, len(ordering) - 1)


def test_a_rank_beyond_the_last_is_the_last() -> None:
    ordering = build([0.5, 0.0, 1.0, float("nan")])
    assert [ordering.row_of_rank(rank) for rank in (0, 1, 3, 4)] == [0, 0, 2, 2]
    assert [ordering.turned().row_of_rank(rank) for rank in (0, 1, 3, 4)] == [2, 2, 0, 0]


def test_a_filter_that_leaves_nothing() -> None:
    ordering = build([0.5, 1.0]).filtered(np.zeros(2, np.bool_))
    assert len(ordering) == ordering.nearest(1) == ordering.row_of_rank(1) == 0
    assert ordering.of == 2
    with pytest.raises(IndexError):
        ordering.index_at(0)
    with pytest.raises(ValueError, match="leaves 0 of 2"):
        ordering.position_of(1)


def test_a_filter_is_taken_away_and_turned_round() -> None:
    ordering = build([0.5, float("nan"), 1.0, 0.25]).filtered(np.array([True, True, False, True]))
    assert [ordering.index_at(position) for position in range(3)] == [0, 3, 1]
    turned = ordering.turned()
    assert [turned.index_at(position) for position in range(3)] == [3, 0, 1]
    assert [turned.rank_at(position) for position in range(3)] == [3, 2, None]
    whole = turned.filtered(None)
    assert [whole.index_at(position) for position in range(4)] == [3, 0, 2, 1]


def test_a_mask_of_another_run_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a mask of 2 pictures, found 3"):
        build([0.5, 1.0]).filtered(np.ones(3, np.bool_))
