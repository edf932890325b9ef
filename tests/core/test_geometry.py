"""The geometry against timm's and torchvision's own transforms, and the laws that a `View` must keep."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from timm.data.transforms import ResizeKeepRatio
from timm.data.transforms_factory import create_transform
from torchvision.transforms import functional
from torchvision.transforms.functional import _compute_resized_output_size

from hw3_browse.cache.errors import DatasetError, UsageError
from hw3_browse.cache.geometry import CropMode, View, crop_offset, resized_size, view_for

MEAN = (0.2, 0.4, 0.6)
FILL = [51, 102, 153]

modes: st.SearchStrategy[CropMode] = st.sampled_from(get_args(CropMode))
crops = st.sampled_from([1.0, 0.95, 0.9, 0.89, 0.875, 0.5])
inputs = st.one_of(st.integers(8, 80).map(lambda side: (side, side)), st.tuples(st.integers(8, 80), st.integers(8, 80)))
# Up to 250 pixels a side, so that a column or row number fits into eight bits.
# Thinner ones are refused, which has its own test.
pictures = st.tuples(st.integers(40, 250), st.integers(40, 250))
grids = st.tuples(st.integers(1, 16), st.integers(1, 16))


@st.composite
def views(draw: st.DrawFn) -> View:
    size = draw(st.tuples(st.integers(20, 3000), st.integers(20, 3000)).filter(lambda size: max(size) < 20 * min(size)))
    input_size = draw(st.sampled_from([(224, 224), (260, 260), (384, 288), (96, 160), (37, 53)]))
    return view_for(size, input_size, draw(crops), draw(modes), draw(grids))


def ramps(width: int, height: int) -> Image.Image:
    """A picture that says where it was sampled: red is the column, green the row."""
    down, across = np.indices((height, width))
    return Image.fromarray(np.stack([across, down, np.full_like(down, 255)], axis=-1).astype(np.uint8))


def transformed(image: Image.Image, interpolation: str, settings_: dict[str, Any]) -> NDArray[np.int64]:
    transform = create_transform(**settings_, interpolation=interpolation, mean=MEAN, normalize=False)
    return np.moveaxis(np.asarray(transform(image)), 0, -1).astype(np.int64)


def expected_points(view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The original x of each input column's centre, and the original y of each input row's centre."""
    across = [view.to_original(u + 0.5, 0)[0] for u in range(view.input_width)]
    down = [view.to_original(0, v + 0.5)[1] for v in range(view.input_height)]
    return np.array(across), np.array(down)


@settings(max_examples=120, deadline=None)
@given(pictures, inputs, crops, modes)
def test_every_input_pixel_comes_from_where_the_view_says(
    size: tuple[int, int], input_size: tuple[int, int], crop_pct: float, mode: CropMode
) -> None:
    # Nearest-neighbour sampling shows the very pixel that timm took: an offset wrong by one is seen at once.
    view = view_for(size, input_size, crop_pct, mode, (1, 1))
    found = transformed(ramps(*size), "nearest", {"input_size": input_size, "crop_pct": crop_pct, "crop_mode": mode})
    across, down = expected_points(view)
    inside_x, inside_y = (across > 0) & (across < size[0]), (down > 0) & (down < size[1])
    inside = inside_y[:, None] & inside_x[None, :]
    assert (found[..., 2] == 255)[inside].all()
    for channel, points in ((0, across[None, :]), (1, down[:, None])):
        sampled = found[..., channel]
        # A centre on the edge of two pixels may fall to either; nothing else may differ.
        fits = (sampled == np.floor(points - 1e-6)) | (sampled == np.floor(points + 1e-6))
        assert fits[inside].all()
    if mode == "border":
        assert (found[~inside] == FILL).all()
    else:
        assert inside.all()


@settings(max_examples=60, deadline=None)
@given(pictures, inputs, crops, modes, st.sampled_from(["bilinear", "bicubic"]))
def test_resampled_coordinates_agree_within_a_pixel(
    size: tuple[int, int], input_size: tuple[int, int], crop_pct: float, mode: CropMode, interpolation: str
) -> None:
    view = view_for(size, input_size, crop_pct, mode, (1, 1))
    found = transformed(
        ramps(*size), interpolation, {"input_size": input_size, "crop_pct": crop_pct, "crop_mode": mode}
    )
    across, down = expected_points(view)
    middle_x, middle_y = np.abs(across - size[0] / 2).argmin(), np.abs(down - size[1] / 2).argmin()
    for points, length, pixels, sampled in (
        (across, size[0], view.box[2] - view.box[0], found[middle_y, :, 0]),
        (down, size[1], view.box[3] - view.box[1], found[:, middle_x, 1]),
    ):
        scale = pixels / len(points)  # original pixels to one of the input
        reach = 2.5 * max(scale, 1.0)  # the filter's: nearer to the edge it is one-sided
        interior = (points > reach) & (points < length - reach)
        assert np.abs(sampled - (points - 0.5))[interior].max(initial=0.0) <= 1.0


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_crop_starts_where_torchvision_starts_it(resized: int, target: int) -> None:
    numbered = torch.arange(1, resized + 1).view(1, 1, resized)
    cropped = functional.center_crop(numbered, [1, target]).flatten()
    offset = crop_offset(resized, target)
    if offset >= 0 and target <= resized:
        assert cropped[0].item() == offset + 1
    else:
        assert cropped[-offset].item() == 1
        assert not cropped[:-offset].any()


@given(st.tuples(st.integers(1, 6000), st.integers(1, 6000)), inputs, crops)
def test_the_resized_size_is_that_of_timm(size: tuple[int, int], input_size: tuple[int, int], crop_pct: float) -> None:
    width, height = size
    shape = torch.empty(3, height, width, device="meta")
    scaled = tuple(math.floor(side / crop_pct) for side in input_size)
    kept = {longest: ResizeKeepRatio.get_params(shape, scaled, longest) for longest in (0.0, 1.0)}
    square = scaled[0] == scaled[1]
    center = _compute_resized_output_size((height, width), [scaled[0]]) if square else kept[0.0]
    assert resized_size(size, input_size, crop_pct, "center") == tuple(reversed(center))
    assert resized_size(size, input_size, crop_pct, "squash") == tuple(reversed(scaled))
    if min(kept[1.0]) > 0:
        assert resized_size(size, input_size, crop_pct, "border") == tuple(reversed(kept[1.0]))
    else:
        with pytest.raises(DatasetError, match=f"{width} x {height} pixels is too thin"):
            resized_size(size, input_size, crop_pct, "border")


def test_known_views() -> None:
    # 640 x 480 to 224 at 0.9: resized to 330 x 248, cut at (53, 12).
    view = view_for((640, 480), (224, 224), 0.9, "center", (14, 14))
    assert resized_size((640, 480), (224, 224), 0.9, "center") == (330, 248)
    x, y = 640 / 330, 480 / 248
    assert view.box == pytest.approx((53 * x, 12 * y, 277 * x, 236 * y))
    assert view.visible() == view.box
    whole = view_for((640, 480), (224, 224), 1.0, "squash", (14, 14))
    assert whole.box == (0, 0, 640, 480)
    padded = view_for((640, 480), (224, 224), 1.0, "border", (14, 14))
    assert padded.box == pytest.approx((0, -80, 640, 560))
    assert padded.visible() == (0, 0, 640, 480)


@given(views(), st.floats(-4000, 4000), st.floats(-4000, 4000))
def test_there_and_back(view: View, x: float, y: float) -> None:
    assert view.to_original(*view.to_input(x, y)) == pytest.approx((x, y), abs=1e-6)
    assert view.to_input(*view.to_original(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(views())
def test_the_corners_of_the_input_are_those_of_the_box(view: View) -> None:
    assert view.to_original(0, 0) == pytest.approx(view.box[:2], abs=1e-9)
    assert view.to_original(view.input_width, view.input_height) == pytest.approx(view.box[2:], abs=1e-6)


@given(views())
def test_without_padding_the_box_is_inside_the_picture(view: View) -> None:
    x0, y0, x1, y1 = view.visible()
    assert 0 <= x0 < x1 <= view.width
    assert 0 <= y0 < y1 <= view.height


@given(views())
def test_patches_tile_the_box(view: View) -> None:
    boxes = np.array(
        [[view.patch_box(row, col) for col in range(view.cols)] for row in range(view.rows)]
    )  # [rows, cols, 4]
    assert (boxes[..., 0] >= view.box[0]).all()
    assert (boxes[..., 1] >= view.box[1]).all()
    assert (boxes[..., 2] <= view.box[2]).all()
    assert (boxes[..., 3] <= view.box[3]).all()
    assert np.array_equal(boxes[:, 1:, 0], boxes[:, :-1, 2])
    assert np.array_equal(boxes[1:, :, 1], boxes[:-1, :, 3])
    assert tuple(boxes[0, 0, :2]) == view.box[:2]
    assert tuple(boxes[-1, -1, 2:]) == view.box[2:]


@given(views(), st.data())
def test_the_centre_of_a_patch_is_in_it(view: View, data: st.DataObject) -> None:
    row, col = data.draw(st.integers(0, view.rows - 1)), data.draw(st.integers(0, view.cols - 1))
    x0, y0, x1, y1 = view.patch_box(row, col)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    inside = 0 <= x < view.width and 0 <= y < view.height
    assert view.patch_at(x, y) == ((row, col) if inside else None)


@given(views(), st.floats(-100, 3100), st.floats(-100, 3100))
def test_a_point_has_a_patch_exactly_where_it_was_seen(view: View, x: float, y: float) -> None:
    x0, y0, x1, y1 = view.visible()
    found = view.patch_at(x, y)
    assert (found is not None) == (x0 <= x < x1 and y0 <= y < y1)
    if found is not None:
        left, top, right, bottom = view.patch_box(*found)
        assert left - 1e-9 <= x <= right + 1e-9
        assert top - 1e-9 <= y <= bottom + 1e-9


@settings(max_examples=50)
@given(views(), st.integers(1, 40), st.integers(1, 40))
def test_a_placed_map_shows_the_patch_under_each_pixel(view: View, width: int, height: int) -> None:
    values = np.arange(1, view.rows * view.cols + 1, dtype=np.float32).reshape(view.rows, view.cols)
    placed, seen = view.place(values, width, height)
    assert placed.shape == seen.shape == (height, width)
    assert placed.dtype == np.float32
    for row in range(height):
        for col in range(width):
            patch = view.patch_at((col + 0.5) * (view.width / width), (row + 0.5) * (view.height / height))
            assert seen[row, col] == (patch is not None)
            assert placed[row, col] == (0 if patch is None else values[patch])


def test_a_map_is_placed_on_the_picture_itself_unless_told_otherwise() -> None:
    view = view_for((30, 20), (8, 8), 1.0, "center", (2, 2))
    placed, seen = view.place(np.ones((2, 2)))
    assert placed.shape == (20, 30)
    assert seen[:, 5:25].all()
    assert not seen[:, :5].any()
    assert not seen[:, 25:].any()


@pytest.mark.parametrize(("row", "col"), [(-1, 0), (0, -1), (2, 0), (0, 3)])
def test_there_is_no_patch_outside_of_the_grid(row: int, col: int) -> None:
    with pytest.raises(IndexError, match="no patch"):
        view_for((30, 20), (8, 8), 1.0, "center", (2, 3)).patch_box(row, col)


def test_a_map_of_another_grid_is_refused() -> None:
    view = view_for((30, 20), (8, 8), 1.0, "center", (2, 3))
    with pytest.raises(ValueError, match=r"expected a map of 2 x 3 patches, found shape \(3, 2\)"):
        view.place(np.ones((3, 2)))
    with pytest.raises(ValueError, match="cannot place a map on 0 x 5 pixels"):
        view.place(np.ones((2, 3)), 0, 5)


@pytest.mark.parametrize(
    ("crop_pct", "mode", "line"),
    [
        (0.0, "center", "crop_pct must be over 0 and at most 1, found 0.0"),
        (1.5, "center", "crop_pct must be over 0"),
        (math.nan, "center", "crop_pct must be over 0"),
        (0.9, "middle", "unknown crop mode 'middle': expected one of center, squash, border"),
    ],
)
def test_settings_that_timm_does_not_know_are_refused(crop_pct: float, mode: CropMode, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        view_for((30, 20), (8, 8), crop_pct, mode, (2, 2))


def test_an_empty_picture_is_refused() -> None:
    with pytest.raises(DatasetError, match="0 x 20 pixels"):
        view_for((0, 20), (8, 8), 1.0, "center", (2, 2))


@given(
    st.tuples(*[st.integers(-2, 3)] * 6),
    st.tuples(*[st.floats(-3, 3) | st.sampled_from([math.nan, math.inf])] * 4),
)
def test_numbers_that_are_no_view_are_refused(sizes: tuple[int, ...], box: tuple[float, float, float, float]) -> None:
    width, height, rows, cols, input_width, input_height = sizes
    assume(min(sizes) < 1 or not all(math.isfinite(edge) for edge in box) or not (box[0] < box[2] and box[1] < box[3]))
    with pytest.raises(ValueError, match="view must be"):
        View(width, height, box, rows, cols, input_width, input_height)
