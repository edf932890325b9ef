"""CIDEr as coco-caption computes it (``cider_scorer.py``; Vedantam et al., CVPR 2015), vectorised.

It is the variant that the paper calls CIDEr-D, as in all COCO results: term frequencies are clipped by the
reference's and a Gaussian punishes a difference in length. Like the original it measures length in bigrams,
and weights an n-gram by the logarithm of (pictures / pictures whose references have it). With one picture
that logarithm is 0 for every n-gram, so the score of a single picture is 0 by construction.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .ngrams import Counts, Entries, Order

SIGMA = 6.0


def update(counts: Counts) -> list[Float[np.ndarray, " ngram"]]:
    """Document frequencies: for each order and n-gram, the number of pictures whose references have it."""
    return [_document_frequency(counts, order) for order in counts.orders]


def compute(
    counts: Counts, frequencies: list[Float[np.ndarray, " ngram"]]
) -> tuple[float, Float[np.ndarray, " picture"]]:
    """CIDEr of all pictures (the mean) and of each, on coco-caption's scale (10 is a perfect match)."""
    similarity = np.zeros(len(counts.picture))
    for order, frequency in zip(counts.orders, frequencies, strict=True):
        rarity = np.log(float(counts.pictures)) - np.log(np.maximum(1.0, frequency))
        similarity += _cosines(counts, order, rarity)
    bigrams = np.maximum(0, counts.prediction_length - 1)
    excess = bigrams[counts.picture] - np.maximum(0, counts.reference_length - 1)
    similarity *= np.exp(-(excess**2) / (2 * SIGMA**2))
    references = np.bincount(counts.picture, minlength=counts.pictures)
    summed = np.bincount(counts.picture, similarity, counts.pictures)
    scores = 10.0 * summed / len(counts.orders) / references
    return float(scores.mean()), scores


def _document_frequency(counts: Counts, order: Order) -> Float[np.ndarray, " ngram"]:
    pairs = np.unique(counts.picture[order.references.row] * order.distinct + order.references.gram)
    return np.bincount(pairs % max(1, order.distinct), minlength=order.distinct).astype(np.float64)


def _cosines(counts: Counts, order: Order, rarity: Float[np.ndarray, " ngram"]) -> Float[np.ndarray, " reference"]:
    """Clipped cosine of each reference and its picture's prediction."""
    predictions = order.predictions.count * rarity[order.predictions.gram]
    references = order.references.count * rarity[order.references.gram]
    prediction, reference = counts.shared(order)
    product = np.minimum(predictions[prediction], references[reference]) * references[reference]
    total = len(counts.picture)
    dot = np.bincount(order.references.row[reference], product, total)
    norms = _norms(order.predictions, predictions, counts.pictures)[counts.picture]
    norms *= _norms(order.references, references, total)
    cosines: Float[np.ndarray, " reference"] = np.divide(dot, norms, out=np.zeros(total), where=norms > 0)
    return cosines


def _norms(entries: Entries, weights: Float[np.ndarray, " entry"], rows: int) -> Float[np.ndarray, " row"]:
    return np.sqrt(np.bincount(entries.row, weights**2, rows))
