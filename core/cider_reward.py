"""CIDEr of single captions against the references of a training set, thousands a second: the self-critical reward.

The score is coco-caption's (`core.metrics.cider` has the formula and its source), with document frequencies of the
training references, counted once. As is usual in self-critical training (ruotianluo/self-critical.pytorch), an end of
sentence stands behind each reference and behind each caption that was not cut: without it, dropping the end of a
sentence ("a man with a") costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float, Int

from .metrics import ptb
from .metrics.cider import SIGMA
from .metrics.ngrams import MAX_ORDER


@dataclass(frozen=True, slots=True)
class _Order:
    """The references' n-grams of one length.

    Attributes:
        keys: what each n-gram is made of, ascending; an n-gram's number is its place here.
        rarity: log of (pictures / pictures that have it), of each n-gram.
        start: of each reference, where its entries begin; one more at the end.
        gram: n-gram of each entry, a reference's in ascending order.
        count: how often the reference has it.
        norm: length of each reference's weighted vector.
    """

    keys: Int[np.ndarray, " gram"]
    rarity: Float[np.ndarray, " gram"]
    start: Int[np.ndarray, " reference+1"]
    gram: Int[np.ndarray, " entry"]
    count: Int[np.ndarray, " entry"]
    norm: Float[np.ndarray, " reference"]


@dataclass(frozen=True, slots=True)
class _Grams:
    """The n-grams of one length of some captions, each as often as it stands there.

    Attributes:
        row: caption of each.
        local: number of the n-gram among these captions'.
        known: its number among the references', -1 where none has it.
    """

    row: Int[np.ndarray, " gram"]
    local: Int[np.ndarray, " gram"]
    known: Int[np.ndarray, " gram"]


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Each caption with each reference of its picture."""

    caption: Int[np.ndarray, " pair"]
    reference: Int[np.ndarray, " pair"]


class CiderReward:
    """The references of a training set, ready to score captions of its pictures."""

    def __init__(self, references: Sequence[Sequence[Sequence[str]]], *, end: bool = True) -> None:
        """Count the references' n-grams.

        Args:
            references: of each picture, of each of its references, the tokens; a reference or more a picture.
            end: whether an end of sentence counts as a word.
        """
        if not all(references):
            raise ValueError("a picture without references has no reward")
        self._end = end
        words: dict[str, int] = {}
        captions = [[words.setdefault(word, len(words)) for word in one] for group in references for one in group]
        self._words = words
        self._known = len(words) + 1  # the last one is the end of sentence
        if end:
            captions = [[*caption, len(words)] for caption in captions]
        flat = np.fromiter((word for caption in captions for word in caption), np.int64)
        sizes = np.array([len(group) for group in references])
        self._first = np.concatenate(([0], np.cumsum(sizes)))
        self._lengths = np.array([len(caption) for caption in captions])
        self._log_pictures = float(np.log(float(len(references))))
        self._orders = self._count(flat, np.repeat(np.arange(len(sizes)), sizes))

    @classmethod
    def of_captions(cls, references: Sequence[Sequence[str]], *, end: bool = True) -> CiderReward:
        """The same from references as people wrote them; starts Java once, to tokenise them.

        Raises:
            JavaError: Java is missing or broken.
        """
        lines = iter(ptb.tokenize([caption for group in references for caption in group]))
        return cls([[line.split() for line in islice(lines, len(group))] for group in references], end=end)

    def __call__(
        self,
        pictures: Int[np.ndarray, " caption"],
        captions: Sequence[Sequence[str]],
        ended: Sequence[bool] | Bool[np.ndarray, " caption"],
    ) -> Float[np.ndarray, " caption"]:
        """CIDEr of each caption on coco-caption's scale (10 is a perfect match).

        Args:
            pictures: of each caption, its picture's place among the references.
            captions: tokens (`core.ptb_like.tokenize`).
            ended: whether the captioner ended the caption, in place of being cut by the length limit.
        """
        words, lengths = self._number(captions, ended)
        references = self._first[pictures + 1] - self._first[pictures]
        pairs = _Pairs(np.repeat(np.arange(len(captions)), references), _ranges(self._first[pictures], references))
        similarity = np.zeros(len(pairs.caption))
        for order, grams in zip(self._orders, self._grams(words, lengths), strict=True):
            similarity += self._cosines(order, grams, pairs, len(captions))
        excess = np.maximum(0, lengths - 1)[pairs.caption] - np.maximum(0, self._lengths - 1)[pairs.reference]
        similarity *= np.exp(-(excess**2) / (2 * SIGMA**2))
        summed = np.bincount(pairs.caption, similarity, len(captions))
        scores: Float[np.ndarray, " caption"] = 10.0 * summed / MAX_ORDER / references
        return scores

    def _count(self, words: Int[np.ndarray, " word"], picture: Int[np.ndarray, " reference"]) -> tuple[_Order, ...]:
        """The references' n-grams, orders one to four; `words` of all references in a row."""
        total = len(self._lengths)
        row = np.repeat(np.arange(total), self._lengths)
        end = np.repeat(np.cumsum(self._lengths), self._lengths)
        start, gram, keys, orders = np.arange(len(words)), words, np.arange(self._known), []
        for order in range(1, MAX_ORDER + 1):
            if order > 1:
                fits = start + order <= end[start]
                start, gram = start[fits], gram[fits]
                keys, gram = np.unique(gram * self._known + words[start + order - 1], return_inverse=True)
            distinct = max(1, len(keys))
            entry, count = np.unique(row[start] * distinct + gram, return_counts=True)
            of, kind = np.divmod(entry, distinct)
            pictures_with = np.bincount(np.unique(picture[of] * distinct + kind) % distinct, minlength=len(keys))
            rarity = self._log_pictures - np.log(np.maximum(1.0, pictures_with))
            norm = np.sqrt(np.bincount(of, (count * rarity[kind]) ** 2, total))
            begins = np.searchsorted(of, np.arange(total + 1))
            orders.append(_Order(keys, rarity, begins, kind.astype(np.int32), count.astype(np.int32), norm))
        return tuple(orders)

    def _number(
        self, captions: Sequence[Sequence[str]], ended: Sequence[bool] | Bool[np.ndarray, " caption"]
    ) -> tuple[Int[np.ndarray, " word"], Int[np.ndarray, " caption"]]:
        """All captions' words in a row as numbers, unknown ones behind the known, and the captions' lengths."""
        words: list[int] = []
        unknown: dict[str, int] = {}
        lengths = np.zeros(len(captions), np.int64)
        for row, (caption, closed) in enumerate(zip(captions, ended, strict=True)):
            before = len(words)
            for word in caption:
                number = self._words.get(word)
                words.append(self._known + unknown.setdefault(word, len(unknown)) if number is None else number)
            if self._end and closed:
                words.append(self._known - 1)
            lengths[row] = len(words) - before
        return np.array(words, np.int64), lengths

    def _grams(self, words: Int[np.ndarray, " word"], lengths: Int[np.ndarray, " caption"]) -> Iterator[_Grams]:
        """The captions' n-grams, orders one to four."""
        row = np.repeat(np.arange(len(lengths)), lengths)
        end = np.repeat(np.cumsum(lengths), lengths)
        vocabulary = int(words.max(initial=0)) + 1
        start, local = np.arange(len(words)), words
        known = np.where(words < self._known, words, -1)
        yield _Grams(row, local, known)
        for order in range(2, MAX_ORDER + 1):
            fits = start + order <= end[start]
            start, local, known = start[fits], local[fits], known[fits]
            word = words[start + order - 1]
            local = np.unique(local * vocabulary + word, return_inverse=True)[1]
            key = np.where((known >= 0) & (word < self._known), known * self._known + word, -1)
            known = _places(self._orders[order - 1].keys, key)
            yield _Grams(row[start], local, known)

    def _cosines(self, order: _Order, grams: _Grams, pairs: _Pairs, total: int) -> Float[np.ndarray, " pair"]:
        """Clipped cosine of each caption and reference."""
        distinct = int(grams.local.max(initial=-1)) + 1
        _, first, count = np.unique(grams.row * distinct + grams.local, return_index=True, return_counts=True)
        row, known = grams.row[first], grams.known[first]
        weight = count * np.where(known >= 0, np.append(order.rarity, 0)[known], self._log_pictures)
        norms = np.sqrt(np.bincount(row, weight**2, total))[pairs.caption] * order.norm[pairs.reference]
        seen = np.flatnonzero(known >= 0)
        kinds = max(1, len(order.keys))
        wanted = row[seen] * kinds + known[seen]
        seen = seen[np.argsort(wanted)]
        begins = order.start[pairs.reference]
        sizes = order.start[pairs.reference + 1] - begins
        pair, entry = np.repeat(np.arange(len(sizes)), sizes), _ranges(begins, sizes)
        place = _places(np.sort(wanted), pairs.caption[pair] * kinds + order.gram[entry])
        hit = np.flatnonzero(place >= 0)
        shared = entry[hit]
        theirs = order.count[shared] * order.rarity[order.gram[shared]]
        product = np.minimum(weight[seen[place[hit]]], theirs) * theirs
        dot = np.bincount(pair[hit], product, len(sizes))
        cosines: Float[np.ndarray, " pair"] = np.divide(dot, norms, out=np.zeros(len(sizes)), where=norms > 0)
        return cosines


def _ranges(first: Int[np.ndarray, " range"], sizes: Int[np.ndarray, " range"]) -> Int[np.ndarray, " number"]:
    """The numbers ``first[0], first[0] + 1, ...``, ``sizes[0]`` of them, then those of the next range."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(first - before, sizes) + np.arange(int(sizes.sum()))


def _places(ascending: Int[np.ndarray, " known"], wanted: Int[np.ndarray, " one"]) -> Int[np.ndarray, " one"]:
    """Where each number stands in an ascending list of numbers from 0; -1 for those that are not there."""
    place = np.searchsorted(ascending, wanted)
    return np.where(np.append(ascending, -2)[place] == wanted, place, -1)
