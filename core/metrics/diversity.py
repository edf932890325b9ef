"""How diverse the captions of a corpus are: figures of all captions together, which need no references.

Captions are compared as token strings of `ptb.tokenize` (lower case, no punctuation), as the other metrics see them.
A captioner that says the safe thing everywhere scores well by CIDEr and is found out here; human captions give the
level to compare with. All but `unique` and `novel` depend on the number of captions, so compare equal sets only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

DESCRIPTIONS: Final = {
    "distinct1": "distinct words by words in all (Li et al. 2016)",
    "distinct2": "distinct pairs of words by words in all (Li et al. 2016)",
    "vocabulary": "distinct words",
    "mean_length": "words a caption",
    "unique": "share of captions that no other picture has",
    "novel": "share of captions that no training picture has",
}


def diversity(captions: Sequence[str], training: Iterable[str] | None = None) -> dict[str, float]:
    """Compute the figures of `DESCRIPTIONS`.

    distinct-n is the number of distinct n-grams divided by the number of words, as Li et al. ("A Diversity-Promoting
    Objective Function for Neural Conversation Models", NAACL 2016) scale it, for pairs of words too. Pairs do not reach
    over the end of a caption.

    Args:
        captions: The captions' tokens, joined by single spaces; at least one caption.
        training: Those of the captions that the model has learnt from; without them there is no `novel`.

    Returns:
        Name to value; distinct1 and distinct2 are 0 where all captions are empty.
    """
    split = [caption.split() for caption in captions]
    words = sum(map(len, split))
    seen = Counter(captions)
    vocabulary = {word for caption in split for word in caption}
    found = {
        "distinct1": len(vocabulary) / max(1, words),
        "distinct2": len(set(_pairs(split))) / max(1, words),
        "vocabulary": float(len(vocabulary)),
        "mean_length": words / len(captions),
        "unique": sum(count == 1 for count in seen.values()) / len(captions),
    }
    if training is not None:
        known = set(training)
        found["novel"] = sum(caption not in known for caption in captions) / len(captions)
    return found


def _pairs(captions: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for caption in captions:
        yield from pairwise(caption)
