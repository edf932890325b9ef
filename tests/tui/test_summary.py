"""Means of what a filter leaves, beside those of the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.tui.summary import ScoreSummary, summarize

if TYPE_CHECKING:
    from hw3_browse.tui.source import Source

NAN = float("nan")


class Columns:
    """A source of scores alone, which tells what was asked for."""

    def __init__(self, columns: dict[str, list[float]], corpus: dict[str, float] | None = None) -> None:
        self.columns = {name: np.asarray(values, np.float64) for name, values in columns.items()}
        self.score_names = tuple(columns)
        self.manifest = SimpleNamespace(corpus=corpus or {})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def scores(self, name: str, /) -> np.ndarray:
        return self.columns[name]


def source(columns: dict[str, list[float]], corpus: dict[str, float] | None = None) -> Source:
    return cast("Source", Columns(columns, corpus))


def test_a_filter_leaves_other_means() -> None:
    run = source({"clipscore": [1, 2, 3, 6], "cider": [1, NAN, 4, NAN]}, {"cider": 0.5})
    found = summarize(run, "clipscore", np.array([True, True, False, False]))
    assert (found.count, found.of) == (2, 4)
    assert found.scores == (
        ScoreSummary("clipscore", 1.5, 2, 3.0, 2.5, 4, None),
        ScoreSummary("cider", 1.0, 1, 2.5, 2.5, 2, 0.5),
    )


def test_without_a_filter_all_are_left() -> None:
    found = summarize(source({"clipscore": [1, 3, NAN]}), "name")
    assert found.scores == (ScoreSummary("clipscore", 2.0, 2, 2.0, 2.0, 2, None),)
    assert (found.count, found.of, found.key, found.histogram) == (3, 3, None, None)


def test_the_histogram_is_of_the_sorted_score() -> None:
    found = summarize(source({"a": [1, 2], "b": [5, 9]}), "b", np.array([True, False]))
    assert found.key == "b"
    assert found.histogram is not None
    assert (found.histogram.low, found.histogram.high) == (5, 9)
    assert (found.histogram.whole.sum(), found.histogram.left.sum()) == (2, 1)


def test_nothing_defined_is_no_number_and_no_warning() -> None:
    run = source({"cider": [NAN, NAN], "logprob": [-np.inf, -1]})
    for mask in (None, np.zeros(2, np.bool_)):
        cider, logprob = summarize(run, "cider", mask).scores
        assert np.isnan([cider.left, cider.whole, cider.median]).all()
        assert (cider.left_count, cider.whole_count) == (0, 0)
        assert (logprob.whole, logprob.whole_count) == (-1, 1)  # infinity is no value to take a mean of


@given(st.lists(st.sampled_from([NAN, 0.0, 0.5, 2.0]), min_size=1), st.data())
def test_an_earlier_summary_changes_nothing(values: list[float], data: st.DataObject) -> None:
    masks = st.none() | st.lists(st.booleans(), min_size=len(values), max_size=len(values)).map(np.asarray)
    run = source({"clipscore": values}, {"clipscore": 0.5})
    before = summarize(run, "clipscore", data.draw(masks))
    mask = data.draw(masks)
    np.testing.assert_equal(
        _numbers(summarize(run, "name", mask, before).scores[0]), _numbers(summarize(run, "name", mask).scores[0])
    )


def test_an_earlier_summary_of_a_shorter_run_is_not_used() -> None:
    before = summarize(source({"clipscore": [1, 2]}), "name")
    assert summarize(source({"clipscore": [1, 2, 6]}), "name", None, before).scores[0].whole == 3


def test_whether_a_corpus_score_is_the_mean() -> None:
    run = source({"cider": [1, 2], "bleu4": [0, 0.5], "meteor": [1, 1]}, {"cider": 1.5, "bleu4": 0.3})
    assert [score.corpus_is_mean for score in summarize(run, "name").scores] == [True, False, False]


def _numbers(score: ScoreSummary) -> list[float | None]:
    return [score.left, score.left_count, score.whole, score.median, score.whole_count, score.corpus]
