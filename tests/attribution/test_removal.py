"""Deletion and insertion on captioners of which it is known which patch a word hangs on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import VIT, tiny_captioner
from numpy.typing import NDArray
from torch import Tensor

from hw3_browse.core.attention import look
from hw3_browse.core.attribution.faithfulness import Words, means, words_of
from hw3_browse.core.attribution.removal import Fill, area, follow, removed, step_counts, teacher
from hw3_browse.core.bootstrap import intervals

GRID = (3, 4)
PATCHES = 12
SIDE = 8
LIKELY, UNLIKELY = -0.1, -5.0


def picture(seed: int = 0) -> NDArray[np.uint8]:
    """A picture whose patches differ from its mean colour everywhere."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0, 255], np.uint8), (GRID[0] * SIDE, GRID[1] * SIDE, 3))


class Toy:
    """A captioner of two words, each of which hangs on one patch alone; the second is of two tokens."""

    def __init__(self, pixels: NDArray[np.uint8], patches: Sequence[int]) -> None:
        self.pixels, self.patches = torch.from_numpy(pixels), patches
        self.asked: list[int] = []

    def __call__(self, pixels: Tensor) -> Tensor:
        self.asked.append(len(pixels))
        words = []
        for patch in self.patches:
            row, col = divmod(patch, GRID[1])
            cut = (slice(row * SIDE, (row + 1) * SIDE), slice(col * SIDE, (col + 1) * SIDE))
            there = torch.tensor([bool((one[cut] == self.pixels[cut]).all()) for one in pixels])
            words.append(torch.where(there, LIKELY, UNLIKELY))
        return torch.stack([words[0], words[1] / 2, words[1] / 2, torch.zeros(len(pixels))], dim=1)


PIECES = [[0], [1, 2]]


def first(patch: int) -> NDArray[np.int64]:
    return np.array([patch, *(other for other in range(PATCHES) if other != patch)])


@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_the_right_patch_first_drops_at_once_and_rises_at_once(fill: Fill) -> None:
    pixels = picture()
    counts = step_counts(PATCHES, PATCHES)
    orders = np.stack([first(5), first(5)[::-1]])
    found = follow(Toy(pixels, (5, 7)), pixels, GRID, orders, counts, fill=fill)
    assert found.shape == (2, 2, PATCHES + 1, 4)
    word = found[..., 0]
    np.testing.assert_allclose(word[0, 0], [LIKELY] + [UNLIKELY] * PATCHES)  # deletion, the right patch first
    np.testing.assert_allclose(word[0, 1], [UNLIKELY] + [LIKELY] * PATCHES)  # insertion
    np.testing.assert_allclose(word[1, 0], [LIKELY] * PATCHES + [UNLIKELY])  # and last
    np.testing.assert_allclose(word[1, 1], [UNLIKELY] * PATCHES + [LIKELY])


def test_areas_of_words_and_random_orders() -> None:
    pixels = picture()
    counts = step_counts(PATCHES, PATCHES)
    # Two maps a word: the first knows the patch, the second has it last. Then two orders for all words.
    orders = [first(5), first(5)[::-1], first(7), first(7)[::-1], first(5), first(5)[::-1]]
    curves = follow(Toy(pixels, (5, 7)), pixels, GRID, np.stack(orders), counts)
    words = words_of(curves, PIECES, 2, counts, picture=9)
    half = (LIKELY + UNLIKELY) / 2 / PATCHES  # the step between the two heights
    low, high = UNLIKELY * (1 - 1 / PATCHES) + half, LIKELY * (1 - 1 / PATCHES) + half
    for word in range(2):
        np.testing.assert_allclose(words.areas[word, :2], [[low, high], [high, low]], rtol=1e-6)
    np.testing.assert_allclose(words.areas[0, 2], [(low + high) / 2] * 2, rtol=1e-6)
    np.testing.assert_allclose(words.intact, [LIKELY, LIKELY], rtol=1e-6)
    np.testing.assert_allclose(words.nothing, [UNLIKELY, UNLIKELY], rtol=1e-6)
    assert words.pictures.tolist() == [9, 9]
    assert words.need_the_picture.all()
    sure, gone = np.exp(LIKELY), np.exp(UNLIKELY)
    expected = gone * (1 - 1 / PATCHES) + (sure + gone) / 2 / PATCHES
    assert words.likelihoods[1, 0, 0] == pytest.approx(expected)


def test_a_word_that_the_captioner_cannot_write_is_left_out() -> None:
    pixels = picture()
    counts = step_counts(PATCHES, 4)
    toy = Toy(pixels, (5, 7))
    never = torch.tensor([-torch.inf, 0, 0, 0])
    orders = np.stack([first(5), first(7), first(1)])
    words = words_of(follow(lambda asked: toy(asked) + never, pixels, GRID, orders, counts), PIECES, 1, counts, 0)
    plain = words_of(follow(toy, pixels, GRID, orders, counts), PIECES, 1, counts, 0)
    np.testing.assert_array_equal(words.areas, plain.areas[1:])


def test_a_caption_without_words_has_no_rows() -> None:
    pixels = picture()
    counts = step_counts(PATCHES, 4)
    curves = follow(Toy(pixels, (5, 7)), pixels, GRID, np.stack([first(5)]), counts)
    assert words_of(curves, [], 3, counts, picture=0).areas.shape == (0, 4, 2)


def test_batches_change_nothing_and_no_variant_is_asked_twice() -> None:
    pixels = picture()
    counts = step_counts(PATCHES, 5)
    orders = np.stack([first(patch) for patch in range(4)])
    small, large = Toy(pixels, (5, 7)), Toy(pixels, (5, 7))
    one = follow(small, pixels, GRID, orders, counts, batch=3)
    other = follow(large, pixels, GRID, orders, counts, batch=1000)
    np.testing.assert_array_equal(one, other)
    assert sum(small.asked) == sum(large.asked) == 2 + 2 * len(orders) * (len(counts) - 2)
    assert max(small.asked) == 3


def test_a_grid_of_one_patch_has_two_ends_only() -> None:
    pixels = picture()
    found = follow(
        lambda variants: torch.zeros(len(variants), 1), pixels, (1, 1), np.zeros((1, 1), int), step_counts(1, 8)
    )
    assert found.shape == (1, 2, 2, 1)


@given(patches=st.integers(1, 300), steps=st.integers(1, 40))
def test_steps_go_from_none_to_all(patches: int, steps: int) -> None:
    counts = step_counts(patches, steps)
    assert counts[0] == 0
    assert counts[-1] == patches
    assert (np.diff(counts) > 0).all()
    assert len(counts) == min(patches, steps) + 1
    assert area(np.full((len(counts), 2), 3.0), counts) == pytest.approx([3.0, 3.0])


def test_what_is_removed_shows_the_mean_colour_or_a_blur() -> None:
    pixels = picture()
    plain = removed(pixels, GRID, "mean")
    assert (plain == pixels.reshape(-1, 3).mean(0).round()).all()
    blurred = removed(pixels, GRID, "blur")
    assert blurred.std() < pixels.std() / 4
    assert blurred.shape == pixels.shape


def test_the_teacher_says_what_the_caption_pass_says() -> None:
    captioner = tiny_captioner(VIT)
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    caption = [5, 9, 7, 2]
    with torch.inference_mode():
        memory = captioner.encode(captioner.preprocess.normalise(pixels))
        expected = [one.logprobs for one in look(captioner, memory, [caption] * 3)]
        found = teacher(captioner, caption)(pixels)
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(100):
        # Words of a picture share its share of luck; taking them for independent would make intervals half as wide.
        pictures = np.repeat(np.arange(60), 5)
        values = rng.normal(size=60)[pictures] + 0.3 * rng.normal(size=300)
        ((low, high),) = intervals(values[:, None], pictures, seed)
        held += low <= 0 <= high
    assert 86 <= held <= 100


def test_differences_are_measured_word_by_word() -> None:
    rng = np.random.default_rng(1)
    luck = 5 * rng.normal(size=200)
    both = np.stack([luck, luck + 0.1 + 0.01 * rng.normal(size=200)], axis=1)
    pictures = np.arange(200)
    apart = means(both, pictures)
    assert apart[0].interval[1] > apart[1].interval[0]  # one by one they could be alike
    (difference,) = means(both[:, 1:] - both[:, :1], pictures)
    assert difference.is_sure
    assert difference.value == pytest.approx(0.1, abs=0.01)


def test_words_that_need_the_picture() -> None:
    flat = np.zeros((2, 1, 2))
    words = Words(flat, flat, np.log([0.8, 0.8]), np.log([0.3, 0.5]), np.array([0, 1]))
    assert words.need_the_picture.tolist() == [True, False]
    assert words.only(words.need_the_picture).pictures.tolist() == [0]
