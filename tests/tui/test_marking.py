"""Which words differ between captions, and which a reference shares with one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.tui.marking import aligned, differences, differing, matched

WORDS = st.lists(st.sampled_from(["a", "A", "dog", "dogs", "Dog.", ".", ",", "two", "cats", "cat", "on", "straße"]))


def split(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a dog runs", "a dog runs", (set(), set())),
        ("a dog runs .", "A Dog runs", (set(), set())),  # neither case nor a full stop is a difference
        ("a dog runs.", "a, dog 'runs'", (set(), set())),
        ("a dog runs", "a black dog sits", ({2}, {1, 3})),
        ("a dog", "", ({0, 1}, set())),
        ("", "", (set(), set())),
        ("STRASSE", "straße", (set(), set())),
        ("cafe\u0301", "café", (set(), set())),
        ("一只猫 runs", "一只狗 runs", ({0}, {0})),
        ("the the the dog", "the dog", ({0, 1}, set())),  # the longest stretch of equal words stays
    ],
)
def test_differing_words(first: str, second: str, expected: tuple[set[int], set[int]]) -> None:
    assert differing(split(first), split(second)) == expected


@given(WORDS, WORDS)
def test_without_the_differing_words_two_captions_are_the_same(first: list[str], second: list[str]) -> None:
    def rest(words: list[str], marked: frozenset[int]) -> list[str]:
        kept = (word for place, word in enumerate(words) if place not in marked)
        return [plain for word in kept if (plain := word.casefold().strip(".,"))]

    mine, theirs = differing(first, second)
    assert rest(first, mine) == rest(second, theirs)
    assert all(first[place].strip(".,") for place in mine)
    assert differing(first, first) == (frozenset(), frozenset())


def test_several_captions_are_compared_with_the_first() -> None:
    captions = [split("two dogs run"), split("two cats run"), split("two dogs sit"), split("two dogs run")]
    assert differences(captions) == ({1, 2}, {1}, {2}, set())
    assert differences(captions[:1]) == (frozenset(),)


def test_only_the_beginning_of_a_book_is_compared() -> None:
    long = ["word"] * 100_000
    mine, theirs = differing(["another", *long], long)
    assert max(mine | theirs) < 1000
    assert max(matched(long, ["word"])) < 1000


@pytest.mark.parametrize(
    ("words", "others", "expected"),
    [
        ("a dog runs", "a dog runs", [0, 1, 2]),
        ("a dog runs", "a big dog", [0, 2, None]),
        ("a dog runs", "a cat runs", [0, 1, 2]),  # the cat stands for the dog
        ("a small dog", "a cat", [0, 1, 1]),
        ("a dog .", "a dog on grass .", [0, 1, 4]),
        ("a dog", "", [None, None]),
        ("a man rides", "the man on a horse", [3, 1, 4]),
    ],
)
def test_a_word_of_another_caption_stands_for_a_word(words: str, others: str, expected: list[int | None]) -> None:
    mine, theirs = split(words), split(others)
    assert [aligned(mine, theirs, place) for place in range(len(mine))] == expected


@given(WORDS, WORDS)
def test_a_word_that_both_have_stands_for_itself(words: list[str], others: list[str]) -> None:
    for place, word in enumerate(words):
        found = aligned(words, others, place)
        assert found is None or 0 <= found < len(others)
        if word in others:
            assert found is not None
            assert others[found].casefold().strip(".") == word.casefold().strip(".")
    assert [aligned(words, words, place) for place in range(len(words))] == list(range(len(words)))
    assert aligned(words, others, len(words)) is None


@pytest.mark.parametrize(
    ("reference", "caption", "expected"),
    [
        ("Two dogs on a beach .", "a dog on the sand .", {1, 2, 3}),
        ("a dog", "two dogs", {1}),
        ("boxes and ponies", "a box and a pony", {0, 1, 2}),
        ("a box and a pony", "boxes, ponies!", {1, 4}),
        ("as is", "a i", set()),  # no plurals
        ("he goes", "she go", set()),
        ("a glass", "the glas", {1}),  # what is not English is not known to be none
        ("...", "...", set()),
        ("", "a dog", set()),
    ],
)
def test_matched_words(reference: str, caption: str, expected: set[int]) -> None:
    assert matched(split(reference), split(caption)) == expected


@given(WORDS, WORDS)
def test_a_match_goes_both_ways(first: list[str], second: list[str]) -> None:
    assert bool(matched(first, second)) == bool(matched(second, first))
    assert matched(first, first) == {place for place, word in enumerate(first) if word.strip(".,")}
