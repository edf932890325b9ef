"""Which words to mark: where captions of several runs differ, and what of a reference a caption says too.

Pure functions of words. Words are compared without regard to case and to punctuation at their ends; what is nothing but
punctuation is never marked. Of very long texts the first words alone are compared.
"""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_WORDS: Final = 200  # the comparison's time grows with the square, and worse; captions have some 10 to 40
_SHORTEST_WITH_PLURAL: Final = 3  # "a" is not the singular of "as"


def differing(first: Sequence[str], second: Sequence[str]) -> tuple[frozenset[int], frozenset[int]]:
    """Return which words of two captions, by their indices, are not in the other at the same place of the sentence.

    >>> differing(["A", "dog", "runs", "."], ["a", "black", "dog", "sits"])
    (frozenset({2}), frozenset({1, 3}))
    """
    mine, theirs = _spoken(first), _spoken(second)
    marked: tuple[set[int], set[int]] = set(), set()
    for kind, *ranges in _changes(tuple(form for _, form in mine), tuple(form for _, form in theirs)):
        if kind != "equal":
            marked[0].update(place for place, _ in mine[ranges[0] : ranges[1]])
            marked[1].update(place for place, _ in theirs[ranges[2] : ranges[3]])
    return frozenset(marked[0]), frozenset(marked[1])


def differences(captions: Sequence[Sequence[str]]) -> tuple[frozenset[int], ...]:
    """Return for each of several captions which of its words differ from the first caption.

    Of the first itself: which differ from some other.

    >>> differences([["two", "dogs"], ["two", "cats"], ["three", "dogs"]])
    (frozenset({0, 1}), frozenset({1}), frozenset({0}))
    """
    pairs = [differing(captions[0], caption) for caption in captions[1:]]
    return (frozenset().union(*(mine for mine, _ in pairs)), *(theirs for _, theirs in pairs))


def aligned(words: Sequence[str], others: Sequence[str], place: int) -> int | None:
    """Return the word of another caption that stands for a word: the same one, or what is said in its stead.

    A word that only stands elsewhere in the other caption is found there. Where several words stand for several, the
    first stands for the first, and so on; the last one also for what is left over.

    Args:
        words: One caption.
        others: The other.
        place: A word of the first, by its index.

    Returns:
        Its index, or None where the other caption says nothing there.

    >>> [aligned(["a", "dog", "runs"], ["one", "small", "dog"], place) for place in range(3)]
    [0, 2, None]
    """
    mine, theirs = (tuple(_plain(word) or word for word in side[:_MOST_WORDS]) for side in (words, others))
    for kind, start, stop, other_start, other_stop in _changes(mine, theirs):
        if start <= place < stop:
            if kind != "equal" and mine[place] in theirs:
                same = [other for other, word in enumerate(theirs) if word == mine[place]]
                return same[min(mine[:place].count(mine[place]), len(same) - 1)]
            return min(other_start + place - start, other_stop - 1) if other_start < other_stop else None
    return None


def matched(reference: Sequence[str], caption: Sequence[str]) -> frozenset[int]:
    """Return which words of a reference, by their indices, the caption has too, anywhere and however often.

    A regular English plural counts as its singular (dog, dogs; box, boxes; pony, ponies); no other forms are known.

    >>> matched(["Two", "dogs", "on", "a", "beach", "."], ["a", "dog", "on", "the", "sand", "."])
    frozenset({1, 2, 3})
    """
    said = {_plain(word) for word in caption[:_MOST_WORDS]}
    forms = said.union(*(_plurals(word) for word in said))
    return frozenset(
        place for place, word in _spoken(reference) if word in forms or not said.isdisjoint(_plurals(word))
    )


def _spoken(words: Sequence[str]) -> list[tuple[int, str]]:
    """Return the words that are more than punctuation: index, and the form in which they are compared."""
    forms = ((place, _plain(word)) for place, word in enumerate(words[:_MOST_WORDS]))
    return [(place, form) for place, form in forms if form]


def _plain(word: str) -> str:
    """Return a word as it is compared: case folded, composed, without what is no letter, mark or number at its ends."""
    folded = unicodedata.normalize("NFC", word.casefold())
    inside = [place for place, character in enumerate(folded) if unicodedata.category(character)[0] not in "PZC"]
    return folded[inside[0] : inside[-1] + 1] if inside else ""


def _plurals(word: str) -> frozenset[str]:
    if len(word) < _SHORTEST_WITH_PLURAL:
        return frozenset()
    return frozenset({f"{word}s", f"{word}es", f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"})


@lru_cache(maxsize=256)
def _changes(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[tuple[str, int, int, int, int], ...]:
    """Return what turns one text into the other, as `difflib` tells it."""
    return tuple(SequenceMatcher(None, first, second, autojunk=False).get_opcodes())
