"""Colours, scaling, blending and half blocks, on pictures small enough to know the answer."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hw3_browse.cache.errors import CacheDamaged
from hw3_browse.tui import raster
from hw3_browse.tui.colormap import table


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 300), st.integers(1, 100))
def test_fit_keeps_the_shape_and_stays_inside(width: int, height: int, columns: int, lines: int) -> None:
    wide, high = raster.fit((width, height), (columns, lines))
    assert 1 <= wide <= columns
    assert 1 <= high <= 2 * lines
    assert wide == columns or high == 2 * lines or wide >= columns - 1
    # Within the rounding of a pixel the shape is kept.
    assert abs(wide * height - high * width) <= max(width, height) * 0.5 + 1e-9 or min(wide, high) == 1


def test_fit_of_known_pictures() -> None:
    assert raster.fit((448, 299), (96, 44)) == (96, 64)
    assert raster.fit((100, 200), (96, 44)) == (44, 88)


def read_back(pixels: np.ndarray) -> list[list[tuple[tuple[int, ...] | None, ...]]]:
    """Return (upper, lower) colours of every cell of what `half_blocks` made."""
    cells = []
    for strip in raster.half_blocks(pixels):
        line: list[tuple[tuple[int, ...] | None, ...]] = []
        for segment in strip:
            style = segment.style
            assert style is not None
            below = None if style.bgcolor is None else tuple(style.bgcolor.get_truecolor())
            assert set(segment.text) in ({raster.UPPER_HALF}, {" "})
            above = below if segment.text[0] == " " else tuple(style.color.get_truecolor())  # type: ignore[union-attr]
            line += [(above, below)] * len(segment.text)
        assert strip.cell_length == len(line)
        cells.append(line)
    return cells


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 9))
def test_half_blocks_show_every_pixel(seed: int, height: int, width: int) -> None:
    pixels = np.random.default_rng(seed).choice([0, 100, 252, 255], (height, width, 3)).astype(np.uint8)
    cells = read_back(pixels)
    assert len(cells) == -(-height // 2)
    for y in range(height):
        for x in range(width):
            shown = cells[y // 2][x][y % 2]
            assert shown is not None
            assert np.abs(np.subtract(shown, pixels[y, x])).max() <= 2  # rounded to steps of four
    if height % 2:
        assert all(below is None for _, below in cells[-1])


def test_equal_neighbours_are_one_segment() -> None:
    (strip,) = raster.half_blocks(np.full((2, 50, 3), 80, np.uint8))
    assert len(list(strip)) == 1


def test_blend_shows_the_map_where_it_was_seen_only() -> None:
    photo = np.full((2, 2, 3), (200, 100, 0), np.uint8)
    values = np.asarray([[0, 1], [0.5, 0]], np.float32)
    seen = np.asarray([[True, True], [True, False]])
    shown = raster.blend(photo, values, seen, colours=table("viridis"), opacity=0.3)
    expected = 0.7 * photo + 0.3 * table("viridis")[np.rint(values * 255).astype(int)]
    assert np.abs(shown.astype(float) - expected)[seen].max() <= 1
    unseen = shown[1, 1]
    assert unseen[0] == unseen[1] == unseen[2] < 60  # dark, without colour


def test_monochrome_maps_grow_brighter_with_attention() -> None:
    photo = np.full((1, 3, 3), 200, np.uint8)
    values = np.asarray([[0, 0.5, 1]], np.float32)
    shown = raster.blend(photo, values, np.ones((1, 3), bool), colours=table(), monochrome=True)
    assert (np.diff(shown[0, :, 0].astype(int)) > 0).all()
    assert (shown[..., 0] == shown[..., 1]).all()


@pytest.mark.parametrize("grid", [np.zeros((2, 2)), np.asarray([[1, 2], [3, 4]])])
def test_levels_have_their_maximum_at_one(grid: np.ndarray) -> None:
    levels = raster.levels(grid.astype(np.float32))
    assert levels.max() == (1 if grid.any() else 0)
    assert np.allclose(levels * grid.max(), grid)


def test_damaged_previews_are_named() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(stream, "JPEG")
    assert raster.decode(stream.getvalue()).size == (64, 64)
    for damaged in (b"", b"no picture", stream.getvalue()[:200]):
        with pytest.raises(CacheDamaged, match="preview"):
            raster.decode(damaged)


def test_huge_previews_are_refused() -> None:
    stream = io.BytesIO()
    Image.new("1", (9000, 9000)).convert("L").save(stream, "JPEG")
    with pytest.raises(CacheDamaged, match="9000 x 9000"):
        raster.decode(stream.getvalue())
