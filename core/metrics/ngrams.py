"""Counts of n-grams, of predictions and references together, as sparse arrays: what BLEU and CIDEr share.

Each distinct n-gram is a number, the same in predictions and references. An order's counts are three parallel
arrays (row, n-gram, count), sorted by row and then by n-gram, without zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

MAX_ORDER = 4


@dataclass(frozen=True, slots=True)
class Entries:
    """Sparse counts of one order.

    Attributes:
        row: Caption of each entry: index of the prediction, or index in the flattened references.
        gram: Number of its n-gram.
        count: How often the caption has it (1 or more).
    """

    row: Int[np.ndarray, " entry"]
    gram: Int[np.ndarray, " entry"]
    count: Int[np.ndarray, " entry"]


@dataclass(frozen=True, slots=True)
class Order:
    """The n-grams of one length: ``distinct`` of them, in the predictions and in the references."""

    distinct: int
    predictions: Entries
    references: Entries


@dataclass(frozen=True, slots=True)
class Counts:
    """All n-grams of one to four words.

    Attributes:
        prediction_length: Words of each prediction.
        reference_length: Words of each reference, the pictures' references one after the other.
        picture: Picture of each reference.
        orders: Counts of 1-grams, 2-grams, 3-grams and 4-grams.
    """

    prediction_length: Int[np.ndarray, " picture"]
    reference_length: Int[np.ndarray, " reference"]
    picture: Int[np.ndarray, " reference"]
    orders: tuple[Order, ...]

    @property
    def pictures(self) -> int:
        """Number of pictures."""
        return len(self.prediction_length)

    def shared(self, order: Order) -> tuple[Int[np.ndarray, " match"], Int[np.ndarray, " match"]]:
        """N-grams that a prediction has in common with a reference of its picture.

        Returns:
            Indices into ``order.predictions`` and into ``order.references``, a pair for each match; a
            prediction's entry comes once for each reference that has it.
        """
        wanted = order.predictions.row * order.distinct + order.predictions.gram  # sorted, by construction
        found = self.picture[order.references.row] * order.distinct + order.references.gram
        place = np.searchsorted(wanted, found)
        hit = np.flatnonzero(np.append(wanted, -1)[place] == found)
        return place[hit], hit


def count_ngrams(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Counts:
    """Count the n-grams of tokenised captions (words are what ``str.split`` gives, as in coco-caption).

    Args:
        predictions: One tokenised caption for each picture.
        references: Its tokenised references, one or more.
    """
    captions = [*predictions, *(caption for group in references for caption in group)]
    words, lengths = _number_words(captions)
    pictures = len(predictions)
    picture = np.repeat(np.arange(pictures), [len(group) for group in references])
    return Counts(lengths[:pictures], lengths[pictures:], picture, _orders(words, lengths, pictures))


def _number_words(captions: Sequence[str]) -> tuple[Int[np.ndarray, " word"], Int[np.ndarray, " caption"]]:
    """Every word as a number, all captions in a row, and the captions' lengths."""
    numbers: dict[str, int] = {}
    words: list[int] = []
    lengths = np.zeros(len(captions), dtype=np.int64)
    for index, caption in enumerate(captions):
        split = caption.split()
        lengths[index] = len(split)
        words += [numbers.setdefault(word, len(numbers)) for word in split]
    return np.asarray(words, dtype=np.int64), lengths


def _orders(words: Int[np.ndarray, " word"], lengths: Int[np.ndarray, " caption"], pictures: int) -> tuple[Order, ...]:
    row = np.repeat(np.arange(len(lengths)), lengths)
    end = np.repeat(np.cumsum(lengths), lengths)  # of each word's caption
    vocabulary = int(words.max(initial=0)) + 1
    start, gram, orders = np.arange(len(words)), words, []
    for order in range(1, MAX_ORDER + 1):
        if order > 1:
            # An n-gram is an (n-1)-gram and the word behind it, where the caption has one.
            fits = start + order <= end[start]
            start, gram = start[fits], gram[fits]
            gram = np.unique(gram * vocabulary + words[start + order - 1], return_inverse=True)[1]
        orders.append(_order(row[start], gram, pictures))
    return tuple(orders)


def _order(row: Int[np.ndarray, " ngram"], gram: Int[np.ndarray, " ngram"], pictures: int) -> Order:
    """Sum up equal n-grams of a caption; the first ``pictures`` rows are the predictions."""
    distinct = int(gram.max(initial=-1)) + 1
    key, count = np.unique(row * distinct + gram, return_counts=True)
    row, gram = np.divmod(key, max(1, distinct))
    cut = int(np.searchsorted(row, pictures))
    return Order(
        distinct,
        Entries(row[:cut], gram[:cut], count[:cut]),
        Entries(row[cut:] - pictures, gram[cut:], count[cut:]),
    )
