"""A cheap equivalent of the PTB tokeniser (`core.metrics.ptb`), for captions that a captioner has just written.

The real one is a Java program that takes half a second to start: too long for each step of self-critical training.
This one takes a caption's words one by one, by a few rules, and remembers what became of each word. It is not for
scores that are reported: it gives what the real one gives for nearly all captions that a captioner writes (the tests
say for how many), and differs on abbreviations, links, and whatever else the real one has a rule for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .metrics.ptb import PUNCTUATION

_BRACKETS: Final = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_TWO_WORDS: Final = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "gimme": ("gim", "me"),
    "lemme": ("lem", "me"),
}
_DROPPED: Final = PUNCTUATION | {'"'}  # the real one turns this one into two others that are dropped
_PART: Final = re.compile(
    r"(?:[a-z]\.){2,}|(?:mr|mrs|ms|dr|st|vs)\."  # periods that belong to the word
    r"|\d+(?:[.,:/]\d+)*(?:st|nd|rd|th|s)?(?!-?\w)"  # a number
    r"|\w+(?:[-_]\w+)*"  # a word, hyphens inside
    r"|\.\.\.|--+|[^\w\s]"
)
_CONTRACTED: Final = re.compile(r"(?:(.*)(n't)|(.*)('(?:s|re|ve|ll|d|m)))")


def tokenize(caption: str) -> list[str]:
    """The tokens of a caption, in lower case, without punctuation."""
    return [token for word in caption.lower().split() for token in _tokens(word)]


@lru_cache(maxsize=100_000)
def _tokens(word: str) -> tuple[str, ...]:
    """The tokens of a word between two spaces."""
    if word in _TWO_WORDS:
        return _TWO_WORDS[word]
    if parted := _CONTRACTED.fullmatch(word):
        stem, ending = (parted[1], parted[2]) if parted[2] else (parted[3], parted[4])
        return (*(_tokens(stem) if stem else ()), ending)
    parts = (_BRACKETS.get(part, part) for part in _PART.findall(word))
    return tuple(part for part in parts if part not in _DROPPED)
