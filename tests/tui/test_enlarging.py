"""Tiny pictures keep their pixels sharp, in cells and in every kind of graphics; others are scaled smoothly."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hw3_browse.tui import raster
from hw3_browse.tui.enlarging import is_sharp, multiple, resized
from hw3_browse.tui.graphics.fit import fit
from hw3_browse.tui.graphics.layers import size_for

TINY = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))


def colours(pixels: np.ndarray) -> int:
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


def test_tiny_pictures_get_no_new_colours() -> None:
    own = colours(np.asarray(TINY))
    assert colours(np.asarray(resized(TINY, (80, 60)))) == own
    assert colours(raster.scale(TINY, (100, 75))) == own
    assert colours(np.asarray(resized(TINY, (40, 30)))) > own  # hardly larger: pixels of uneven sizes would be seen
    assert colours(np.asarray(resized(TINY.resize((200, 150)), (400, 300)))) > own


@pytest.mark.parametrize(("picture", "shown"), [((32, 32), (500, 500)), ((96, 20), (193, 40)), ((1, 1), (7, 7))])
def test_what_is_sent_is_a_whole_multiple(picture: tuple[int, int], shown: tuple[int, int]) -> None:
    assert is_sharp(picture, shown)
    sent = multiple(picture, shown)
    assert sent[0] % picture[0] == sent[1] % picture[1] == 0
    assert sent[0] // picture[0] == sent[1] // picture[1]
    assert max(shown) <= max(sent) < max(shown) + max(picture)


def test_layers_send_tiny_pictures_enlarged() -> None:
    fitted = fit((32, 32), (60, 30), (9, 18))
    assert min(size_for((32, 32), fitted)) >= min(fitted.pixels)
    assert size_for((200, 150), fit((200, 150), (60, 30), (9, 18))) == (200, 150)
