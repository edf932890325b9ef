"""Few colours, maps over photos, Sixel and PNG: pixels in, pixels out."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pixel_terminal import decode_sixel

from hw3_browse.cache.geometry import View, view_for
from hw3_browse.tui.colormap import table
from hw3_browse.tui.graphics import png
from hw3_browse.tui.graphics.fit import fit
from hw3_browse.tui.graphics.linear import for_light
from hw3_browse.tui.graphics.margin import add_margin, add_margin_to_indices, few_colours
from hw3_browse.tui.graphics.overlay import lay_over, overlay
from hw3_browse.tui.graphics.palette import quantize
from hw3_browse.tui.graphics.sixel import WIDEST, sixel


def photo(width: int = 90, height: int = 60, seed: int = 0) -> np.ndarray:
    """A smooth picture with some thousand colours."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


@given(sizes, st.tuples(st.integers(1, 300), st.integers(1, 100)), st.tuples(st.integers(4, 20), st.integers(8, 40)))
def test_fit_keeps_the_shape_and_fills_the_panel(
    size: tuple[int, int], cells: tuple[int, int], cell: tuple[int, int]
) -> None:
    fitted = fit(size, cells, cell)
    width, height = fitted.pixels
    assert 1 <= fitted.columns <= cells[0]
    assert 1 <= fitted.lines <= cells[1]
    assert (fitted.columns - 1) * cell[0] < width <= fitted.columns * cell[0]
    assert (fitted.lines - 1) * cell[1] < height <= fitted.lines * cell[1]
    assert width == cells[0] * cell[0] or height == cells[1] * cell[1]
    assert abs(width * size[1] - height * size[0]) <= max(size) * 0.5 + 1e-9 or min(width, height) == 1


@given(sizes, st.tuples(st.integers(1, 300), st.integers(1, 100)), st.integers(1, 900))
def test_fit_is_bounded(size: tuple[int, int], cells: tuple[int, int], longest: int) -> None:
    assert max(fit(size, cells, (8, 16), longest).pixels) <= longest


@given(sizes, st.tuples(st.integers(4, 300), st.integers(4, 100)))
def test_a_margin_keeps_the_shape(size: tuple[int, int], cells: tuple[int, int]) -> None:
    fitted = fit(size, cells, (9, 18))
    width, height = fitted.with_margin(size)
    # What is the picture's part of the canvas is its part of the cells, within half a pixel.
    assert abs(width * fitted.pixels[0] - size[0] * fitted.room[0]) <= fitted.pixels[0] * 0.5 + 1e-9
    assert abs(height * fitted.pixels[1] - size[1] * fitted.room[1]) <= fitted.pixels[1] * 0.5 + 1e-9


def test_fit_of_known_pictures() -> None:
    assert fit((448, 299), (56, 40), (8, 16)) == fit((448, 299), (56, 19), (8, 16))
    assert fit((448, 299), (56, 40), (8, 16)).pixels == (448, 299)
    assert fit((200, 400), (56, 20), (10, 20)).pixels == (200, 400)
    assert (fit((200, 400), (56, 20), (10, 20)).columns, fit((200, 400), (56, 20), (10, 20)).lines) == (20, 20)


# -- Few colours -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 16, 64, 256])
def test_quantize(most: int) -> None:
    pixels = photo()
    indices, colours = quantize(pixels, most)
    assert len(colours) <= most
    assert indices.max() < len(colours)
    error = np.abs(colours[indices].astype(int) - pixels).mean()
    assert error < {1: 80, 2: 70, 16: 40, 64: 13, 256: 8}[most]


def test_quantize_is_better_than_pillows_octree() -> None:
    pixels = photo(seed=3)
    indices, colours = quantize(pixels, 64)
    octree = Image.fromarray(pixels).quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).convert("RGB")
    ours = ((colours[indices].astype(float) - pixels) ** 2).mean()
    assert ours < 0.8 * ((np.asarray(octree, float) - pixels) ** 2).mean()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 5))
def test_few_colours_stay_as_they_are(width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (4, 3), np.uint8)
    pixels = colours[rng.integers(0, 4, (height, width))]
    indices, found = quantize(pixels, 256)
    assert np.abs(found[indices].astype(int) - pixels).max() <= 1 or len(found) < 4


# -- Maps --------------------------------------------------------------------------------------------------------------

views = st.builds(
    view_for,
    st.tuples(st.integers(40, 2000), st.integers(40, 2000)),
    st.just((224, 224)),
    st.sampled_from([0.875, 0.9, 1.0]),
    st.sampled_from(["center", "squash", "border"]),
    st.sampled_from([(7, 7), (14, 14), (24, 24)]),
)


@given(views, st.integers(0, 3))
def test_overlay_has_each_patch_where_the_model_had_it(view: View, seed: int) -> None:
    levels = np.random.default_rng(seed).random((view.rows, view.cols))
    over = overlay(levels, view, 0.5, table("jet"), longest=96)
    height, width = over.indices.shape
    assert max(height, width) == 96
    values, seen = view.place(levels, width, height)
    shades = over.colours[over.indices]
    assert (shades[~seen] == (0, 0, 0, 166)).all()
    expected = table("jet")[np.rint(values * 255).astype(int)][seen].astype(int)
    # 64 steps for 256: off by two steps of the table or a little more, each at most five values of a channel.
    assert np.abs(shades[seen][:, :3] - expected).max(initial=0) <= 12
    assert (shades[seen][:, 3] == 128).all()


def test_overlay_of_zeros_and_clipped_values() -> None:
    view = view_for((224, 224), (224, 224), 1.0, "center", (2, 2))
    over = overlay(np.asarray([[0, -3], [1, 9]]), view, 2.0, table("gray"))
    shades = over.colours[over.indices]
    assert (shades[:128] == (0, 0, 0, 255)).all()
    assert (shades[128:] == (255, 255, 255, 255)).all()
    with pytest.raises(ValueError, match="2 x 2"):
        overlay(np.zeros((3, 2)), view, 0.5, table("jet"))


def test_lay_over() -> None:
    view = view_for((300, 200), (224, 224), 0.9, "center", (14, 14))
    levels = np.random.default_rng(1).random((14, 14))
    pixels = photo(300, 200)
    over = overlay(levels, view, 0.4, table("jet"), longest=300)
    shades = over.colours[over.indices].astype(float)
    alpha = shades[..., 3:] / 255
    expected = pixels * (1 - alpha) + shades[..., :3] * alpha
    assert np.abs(lay_over(pixels, over) - expected).max() <= 0.51


def test_a_map_costs_about_a_kilobyte() -> None:
    view = view_for((448, 299), (224, 224), 0.9, "center", (14, 14))
    over = overlay(np.random.default_rng(2).random((14, 14)) ** 4, view, 0.5, table("jet"))
    assert len(png.indexed(over.indices, over.colours)) < 1000


def test_light_is_mixed_nearer_to_numbers() -> None:
    below = np.linspace(0, 255, 40)[:, None, None] * np.ones(3) / 255

    def light(number: np.ndarray) -> np.ndarray:
        return np.where(number <= 0.04045, number / 12.92, ((number + 0.055) / 1.055) ** 2.4)

    def number(light: np.ndarray) -> np.ndarray:
        return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)

    def as_light(shades: np.ndarray) -> np.ndarray:
        alpha = shades[:, 3:] / 255
        return number(light(shades[:, :3] / 255) * alpha + light(below) * (1 - alpha))

    for name, gain in (("jet", 0.85), ("gray", 0.5)):
        shades = np.concatenate([table(name), np.full((256, 1), 128)], axis=1).astype(np.uint8)
        wanted = shades[:, :3] / 255 * (128 / 255) + below * (127 / 255)
        before, after = (np.abs(as_light(each) - wanted).mean() for each in (shades, for_light(shades)))
        assert after < gain * before
    opaque = np.asarray([[10, 200, 30, 255]], np.uint8)
    assert np.abs(for_light(opaque).astype(int) - opaque).max() <= 1


# -- Files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
def test_png_of_few_colours(channels: int) -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (9, channels), np.uint8)
    indices, shades = add_margin_to_indices(rng.integers(0, 9, (20, 30)), colours, (34, 27), (1, 2, 3, 0)[:channels])
    image = np.asarray(Image.open(io.BytesIO(png.indexed(indices, shades))).convert("RGBA"))
    assert image.shape == (27, 34, 4)
    assert (image[..., :channels] == shades[indices]).all()
    assert (image[20:, :, :3] == (1, 2, 3)).all()
    assert (image[:, 30:, 3] == (255 if channels == 3 else 0)).all()


def test_png_of_all_colours() -> None:
    pixels = add_margin(photo(), (99, 64), (7, 8, 9))
    image = np.asarray(Image.open(io.BytesIO(png.exact(pixels))))
    assert (image[:60, :90] == photo()).all()
    assert (image[60:] == (7, 8, 9)).all()
    assert (image[:, 90:] == (7, 8, 9)).all()


def test_the_margins_colour_is_exact_among_few() -> None:
    indices, colours = few_colours(photo(), 16, (95, 64), (30, 30, 30))
    assert len(colours) <= 16
    assert (colours[indices][60:] == 30).all()
    assert (colours[indices][:, 90:] == 30).all()


# -- Sixel -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 50), st.integers(1, 9))
def test_sixel_of_few_colours_is_exact(width: int, height: int, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    colours = (np.rint(rng.integers(0, 101, (count, 3)) * 2.55)).astype(np.uint8)  # what Sixel's percents can say
    # Runs of all lengths: a random walk of colours, and some rows all equal.
    steps = rng.random((height, width)) < rng.choice([0.02, 0.3, 1.0])
    pixels = colours[np.cumsum(steps, axis=1) % count]
    drawn = decode_sixel(sixel(*quantize(pixels, 256))[2:-2])
    assert np.abs(drawn.astype(int) - pixels).max() <= 6  # neighbours in the histogram may share a colour


@pytest.mark.parametrize("registers", [2, 16, 64, 256])
def test_sixel_of_a_photo(registers: int) -> None:
    pixels = photo(133, 77)
    text = sixel(*quantize(pixels, registers))
    assert text.isascii()
    drawn = decode_sixel(text[2:-2])
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) <= registers
    # With few colours they are mixed: near in the mean of a neighbourhood.
    near = [np.asarray(Image.fromarray(each).resize((26, 15), Image.Resampling.BOX), float) for each in (drawn, pixels)]
    assert np.abs(near[0] - near[1]).mean() < {2: 60, 16: 12, 64: 12, 256: 6}[registers]


def test_sixel_uses_runs() -> None:
    flat = np.full((60, WIDEST, 3), 200, np.uint8)
    assert len(sixel(*quantize(flat, 256))) < 130
