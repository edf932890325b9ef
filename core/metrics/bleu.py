"""BLEU 1 to 4 as coco-caption computes it (``bleu_scorer.py``; Papineni et al., ACL 2002).

Counts are clipped by the largest count of any one reference, the brevity penalty takes the reference closest
in length (the shorter of two equally close), and precisions are made positive by tiny constants instead of
being smoothed. The corpus score comes from summed counts: it is not the mean of the pictures' scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .ngrams import MAX_ORDER, Counts, Order

# coco-caption's own guards against division by zero; they are visible in its scores.
_SMALL = 1e-9
_TINY = 1e-15


@dataclass(frozen=True, slots=True)
class BleuStatistics:
    """What BLEU needs of each picture; statistics of several sets are put together by concatenation.

    Attributes:
        prediction_length: Words of the prediction.
        reference_length: Words of the reference closest in length.
        guesses: N-grams of the prediction.
        correct: Those of them that a reference has, clipped.
    """

    prediction_length: Int[np.ndarray, " picture"]
    reference_length: Int[np.ndarray, " picture"]
    guesses: Int[np.ndarray, "picture order"]
    correct: Int[np.ndarray, "picture order"]


def update(counts: Counts) -> BleuStatistics:
    """The statistics of each picture."""
    length = counts.prediction_length
    guesses = [np.maximum(0, length - order) for order in range(MAX_ORDER)]
    correct = [_clipped(counts, order) for order in counts.orders]
    return BleuStatistics(length, _closest_length(counts), np.stack(guesses, 1), np.stack(correct, 1))


def compute(
    statistics: BleuStatistics,
) -> tuple[Float[np.ndarray, " order"], Float[np.ndarray, "picture order"]]:
    """BLEU 1 to 4 of all pictures together, and of each picture."""
    corpus = BleuStatistics(
        statistics.prediction_length.sum(keepdims=True),
        statistics.reference_length.sum(keepdims=True),
        statistics.guesses.sum(0, keepdims=True),
        statistics.correct.sum(0, keepdims=True),
    )
    return _scores(corpus)[0], _scores(statistics)


def _scores(statistics: BleuStatistics) -> Float[np.ndarray, "row order"]:
    precision = (statistics.correct + _TINY) / (statistics.guesses + _SMALL)
    mean = np.cumprod(precision, axis=1) ** (1 / np.arange(1, MAX_ORDER + 1))
    ratio = (statistics.prediction_length + _TINY) / (statistics.reference_length + _SMALL)
    penalty = np.exp(np.minimum(0, 1 - 1 / ratio))
    return np.asarray(mean * penalty[:, None], dtype=np.float64)


def _closest_length(counts: Counts) -> Int[np.ndarray, " picture"]:
    distance = np.abs(counts.reference_length - counts.prediction_length[counts.picture])
    best = np.lexsort((counts.reference_length, distance, counts.picture))
    first = np.unique(counts.picture, return_index=True)[1]  # sorted already, so these are the groups' heads
    return counts.reference_length[best][first]


def _clipped(counts: Counts, order: Order) -> Int[np.ndarray, " picture"]:
    """Matches of each picture: the prediction's count or the best reference's, whichever is less."""
    prediction, reference = counts.shared(order)
    best = np.zeros(len(order.predictions.count), dtype=np.int64)
    np.maximum.at(best, prediction, order.references.count[reference])
    matches = np.minimum(best, order.predictions.count)
    return np.bincount(order.predictions.row, matches, counts.pictures).astype(np.int64)
