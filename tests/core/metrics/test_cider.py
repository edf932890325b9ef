"""What must not change CIDEr, and the score of a single picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.core.metrics import cider
from hw3_browse.core.metrics.ngrams import count_ngrams

_caption = st.lists(st.sampled_from("abcde"), max_size=8).map(" ".join)
_picture = st.tuples(_caption, st.lists(_caption, min_size=1, max_size=4))
_pictures = st.lists(_picture, min_size=1, max_size=7)
Pictures = list[tuple[str, list[str]]]


def _scores(pictures: Pictures) -> np.ndarray:
    counts = count_ngrams([prediction for prediction, _ in pictures], [group for _, group in pictures])
    return cider.compute(counts, cider.update(counts))[1]


@given(_pictures, st.randoms(use_true_random=False))
def test_order_of_pictures(pictures: Pictures, random: np.random.Generator) -> None:
    order = list(range(len(pictures)))
    random.shuffle(order)
    shuffled = _scores([pictures[index] for index in order])
    np.testing.assert_allclose(shuffled, _scores(pictures)[order], atol=1e-12)


@given(_pictures)
def test_order_of_references(pictures: Pictures) -> None:
    turned = [(prediction, group[::-1]) for prediction, group in pictures]
    np.testing.assert_allclose(_scores(turned), _scores(pictures), atol=1e-12)


@given(_pictures)
def test_references_given_twice(pictures: Pictures) -> None:
    doubled = [(prediction, group * 2) for prediction, group in pictures]
    np.testing.assert_allclose(_scores(doubled), _scores(pictures), atol=1e-12)


@given(_pictures)
def test_names_of_words(pictures: Pictures) -> None:
    other = str.maketrans("abcde", "xazbé")
    renamed = [(p.translate(other), [c.translate(other) for c in group]) for p, group in pictures]
    np.testing.assert_allclose(_scores(renamed), _scores(pictures), atol=1e-12)


@given(_pictures)
def test_other_predictions(pictures: Pictures) -> None:
    """A picture's score depends on all references, and on no other prediction."""
    others = [pictures[0], *(("e d c", group) for _, group in pictures[1:])]
    np.testing.assert_allclose(_scores(others)[0], _scores(pictures)[0], atol=1e-12)


@given(_pictures)
def test_range(pictures: Pictures) -> None:
    scores = _scores(pictures)
    assert ((scores >= 0) & (scores <= 10 + 1e-9)).all()


@given(_picture)
def test_a_single_picture(picture: tuple[str, list[str]]) -> None:
    assert _scores([picture]) == [0]


def test_a_perfect_caption() -> None:
    pictures = [("a dog runs fast", ["a dog runs fast"]), ("one red kite flies", ["two men sit down"])]
    np.testing.assert_allclose(_scores(pictures), [10, 0], atol=1e-12)
