"""Diversity of captions: a case worked by hand, and a plain count of everything for any captions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.core.metrics.diversity import DESCRIPTIONS, diversity
from hw3_browse.core.metrics.evaluate import evaluate

CAPTIONS = ["a dog runs", "a dog runs", "two dogs on a dog", ""]


def test_a_case_worked_by_hand() -> None:
    # 11 words; distinct: a dog runs two dogs on; pairs: a-dog dog-runs two-dogs dogs-on on-a
    found = diversity(CAPTIONS, ["a dog runs", "a cat"])
    assert found == pytest.approx(
        {
            "distinct1": 6 / 11,
            "distinct2": 5 / 11,
            "vocabulary": 6,
            "mean_length": 11 / 4,
            "unique": 2 / 4,
            "novel": 0.5,
        }
    )
    assert found.keys() == DESCRIPTIONS.keys()
    assert "novel" not in diversity(CAPTIONS)


def test_nothing_but_empty_captions() -> None:
    assert diversity([""]) == {"distinct1": 0, "distinct2": 0, "vocabulary": 0, "mean_length": 0, "unique": 1}


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=5).map(" ".join), min_size=1, max_size=8))
def test_a_plain_count(captions: list[str]) -> None:
    words = [word for caption in captions for word in caption.split()]
    pairs = []
    for caption in captions:
        row = caption.split()
        pairs += [(row[place], row[place + 1]) for place in range(len(row) - 1)]
    found = diversity(captions, captions[:1])
    assert found["vocabulary"] == len(set(words))
    assert found["distinct1"] * max(1, len(words)) == pytest.approx(len(set(words)))
    assert found["distinct2"] * max(1, len(words)) == pytest.approx(len(set(pairs)))
    assert found["unique"] * len(captions) == pytest.approx(sum(captions.count(caption) == 1 for caption in captions))
    assert found["novel"] * len(captions) == pytest.approx(sum(caption != captions[0] for caption in captions))


def test_evaluate_gives_the_tokens_in_the_order_of_the_pictures() -> None:
    found = evaluate(["No dog.", "A cat, here!", ""], [[], ["a cat"], ["x"]], ["cider"])
    assert found.tokens == ("no dog", "a cat here", "")
