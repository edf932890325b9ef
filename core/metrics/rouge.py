"""ROUGE-L as coco-caption computes it (``rouge.py``; Lin, ACL workshop 2004).

The best precision and the best recall over the references, which need not be of the same one, are joined with
beta 1.2. Words are what a split at single spaces gives, so that an empty caption is one empty word (sic).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

BETA = 1.2


def update(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Float[np.ndarray, " picture"]:
    """ROUGE-L of each picture, from tokenised captions."""
    return np.array([_score(*pair) for pair in zip(predictions, references, strict=True)], dtype=np.float64)


def compute(scores: Float[np.ndarray, " picture"]) -> float:
    """ROUGE-L of all pictures: the mean."""
    return float(scores.mean())


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence of two lists of words.

    Bit-parallel (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004): one addition of integers for
    each word of ``second``, instead of a row of a table. A 0 in ``row`` is a step of the table's last row.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    everything = row = (1 << len(first)) - 1
    for word in second:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & everything
    return len(first) - row.bit_count()


def _score(prediction: str, references: Sequence[str]) -> float:
    words = prediction.split(" ")
    precision = recall = 0.0
    for reference in references:
        reference_words = reference.split(" ")
        common = longest_common_subsequence(words, reference_words)
        precision = max(precision, common / len(words))
        recall = max(recall, common / len(reference_words))
    if not precision:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)
