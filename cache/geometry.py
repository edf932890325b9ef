"""Where the model looked: the exact map between a picture's pixels, the model's input and its patch grid.

A captioner never sees the picture itself. The picture is resized, then cropped or padded to the model's input
size, then cut into `rows x cols` patches. `view_for` computes that map for every resize and crop mode of
timm's evaluation transform, rounding included; a `View` is the map, kept with each sample in the cache, so
that a patch can be drawn over the right part of the *original* picture, and what lies outside of the crop
shown as not seen.

Coordinates are continuous, x to the right and y down: the pixel in column i covers [i, i+1), its centre is i
+ 0.5. This is the convention of Pillow's resampling, so the map is linear without half-pixel terms. Sizes in
pixels are (width, height) for pictures as in Pillow, and (height, width) for model inputs as in timm.

No torch here: the browser uses this module too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

import numpy as np

from .errors import DatasetError, UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CropMode = Literal["center", "squash", "border"]
CROP_MODES: Final[tuple[str, ...]] = get_args(CropMode)
Box = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class View:
    """The part of one picture that the model saw, and the grid of patches over it.

    Attributes:
        width: Width of the original picture in pixels.
        height: Height of the original picture in pixels.
        box: (x0, y0, x1, y1), the region of the original that the model's input rectangle covers, in original
            pixels. It is smaller than the picture where the crop cut something off, and sticks out of it
            where the model's input was padded ('border' mode).
        rows: Patches from top to bottom of `box`.
        cols: Patches from left to right of `box`. Patches divide the box evenly.
        input_width: Width of the model's input in pixels.
        input_height: Height of the model's input in pixels.
    """

    width: int
    height: int
    box: Box
    rows: int
    cols: int
    input_width: int
    input_height: int

    def __post_init__(self) -> None:
        """Reject a view that cannot be one; the numbers may come from a file.

        Raises:
            ValueError: A size is not positive, or the box is empty or not finite.
        """
        sizes = (self.width, self.height, self.rows, self.cols, self.input_width, self.input_height)
        if min(sizes) < 1:
            raise ValueError(f"sizes of a view must be positive, found {sizes}")
        x0, y0, x1, y1 = self.box
        if not all(math.isfinite(edge) for edge in self.box) or x1 <= x0 or y1 <= y0:
            raise ValueError(f"the box of a view must be finite and not empty, found {self.box}")

    def to_input(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the original picture to the model's input, both in pixels of their own.

        The result lies outside of [0, input_width] x [0, input_height] for a point that was not seen.
        """
        x0, y0, x1, y1 = self.box
        return (x - x0) * self.input_width / (x1 - x0), (y - y0) * self.input_height / (y1 - y0)

    def to_original(self, u: float, v: float) -> tuple[float, float]:
        """Map a point of the model's input to the original picture: the inverse of `to_input`."""
        x0, y0, x1, y1 = self.box
        return x0 + u * (x1 - x0) / self.input_width, y0 + v * (y1 - y0) / self.input_height

    def patch_box(self, row: int, col: int) -> Box:
        """Return the (x0, y0, x1, y1) of a patch in original pixels, outside of the picture if over padding.

        Raises:
            IndexError: There is no such patch.
        """
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise IndexError(f"no patch ({row}, {col}) in a grid of {self.rows} x {self.cols}")
        x0, y0, x1, y1 = self.box
        return (
            _between(x0, x1, col / self.cols),
            _between(y0, y1, row / self.rows),
            _between(x0, x1, (col + 1) / self.cols),
            _between(y0, y1, (row + 1) / self.rows),
        )

    def patch_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return the (row, col) of the patch over a point of the original, or None where nothing was seen."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            return None
        x0, y0, x1, y1 = self.box
        col = int(_cells(np.asarray([x]), x0, x1, self.cols)[0])
        row = int(_cells(np.asarray([y]), y0, y1, self.rows)[0])
        return None if row < 0 or col < 0 else (row, col)

    def visible(self) -> Box:
        """Return the (x0, y0, x1, y1) of what the model saw of the picture: the box without padding."""
        x0, y0, x1, y1 = self.box
        return max(x0, 0.0), max(y0, 0.0), min(x1, float(self.width)), min(y1, float(self.height))

    def place(
        self, values: ArrayLike, width: int | None = None, height: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Spread a map over the patches on a rendering of the whole original picture.

        Each pixel of the rendering takes the value of the patch over its centre; nothing is interpolated, so
        that no value appears that the model did not compute.

        Args:
            values: One value a patch, [rows, cols].
            width: Width of the rendering in pixels (or cells); the picture's own where not given.
            height: Height of the rendering.

        Returns:
            The values [height, width] as float32, 0 where nothing was seen, and the mask [height, width] of
            what was seen.

        Raises:
            ValueError: `values` does not have the shape of the grid, or the rendering is empty.
        """
        grid = np.asarray(values, dtype=np.float32)
        if grid.shape != (self.rows, self.cols):
            raise ValueError(f"expected a map of {self.rows} x {self.cols} patches, found shape {grid.shape}")
        width = self.width if width is None else width
        height = self.height if height is None else height
        if width < 1 or height < 1:
            raise ValueError(f"cannot place a map on {width} x {height} pixels")
        x0, y0, x1, y1 = self.box
        cols = _cells((np.arange(width) + 0.5) * (self.width / width), x0, x1, self.cols)
        rows = _cells((np.arange(height) + 0.5) * (self.height / height), y0, y1, self.rows)
        seen = (rows >= 0)[:, None] & (cols >= 0)[None, :]
        placed = np.where(seen, grid[rows[:, None], cols[None, :]], np.float32(0))
        return placed, seen


def _between(start: float, end: float, part: float) -> float:
    """Return the point at a part, 0 to 1, of the way; exactly `start` at 0 and `end` at 1."""
    return start * (1 - part) + end * part


def _cells(points: NDArray[np.floating], start: float, end: float, count: int) -> NDArray[np.intp]:
    """Return which of `count` equal cells of [start, end) each point is in, -1 where in none."""
    cells = np.floor((points - start) * (count / (end - start))).astype(np.intp)
    inside = (points >= start) & (points < end)
    # A point a rounding error before `end` may land on `count`.
    return np.where(inside, np.minimum(cells, count - 1), -1)


def resized_size(
    size: tuple[int, int], input_size: tuple[int, int], crop_pct: float, crop_mode: CropMode
) -> tuple[int, int]:
    """Return the (width, height) to which timm's evaluation transform resizes a picture before it crops.

    Same arithmetic, in the same order, as `transforms_imagenet_eval` and `ResizeKeepRatio` in timm and
    `_compute_resized_output_size` in torchvision.

    Args:
        size: (width, height) of the picture.
        input_size: (height, width) of the model's input.
        crop_pct: The share of the resized picture that the crop keeps, in (0, 1].
        crop_mode: 'center', 'squash' or 'border'.

    Raises:
        UsageError: `crop_mode` or `crop_pct` is not one that timm knows.
        DatasetError: The picture is so thin that a side would vanish.
    """
    check_crop(crop_pct, crop_mode)
    width, height = size
    if width < 1 or height < 1:
        raise DatasetError(f"a picture of {width} x {height} pixels has nothing to look at")
    target_height, target_width = (math.floor(side / crop_pct) for side in input_size)
    if crop_mode == "squash":
        return target_width, target_height
    if crop_mode == "center" and target_height == target_width:
        # torchvision's Resize(int): the long side is cut to an integer, not rounded.
        long_side = int(target_width * max(size) / min(size))
        return (target_width, long_side) if width <= height else (long_side, target_height)
    choose = max if crop_mode == "border" else min
    ratio = choose(height / target_height, width / target_width)
    resized = round(width / ratio), round(height / ratio)
    if min(resized) < 1:
        raise DatasetError(
            f"a picture of {width} x {height} pixels is too thin for a model input of "
            f"{input_size[1]} x {input_size[0]}: leave it out, or crop it"
        )
    return resized


def crop_offset(resized: int, target: int) -> int:
    """Return where a centred crop of `target` pixels starts on a side of `resized` pixels.

    Negative where the side is shorter and is padded. As in torchvision's `center_crop` and timm's
    `center_crop_or_pad`: Python's rounding of halves to even, and the odd pixel of padding after the picture.
    """
    if target > resized:
        return -((target - resized) // 2)
    return round((resized - target) / 2.0)


def check_crop(crop_pct: float, crop_mode: str) -> CropMode:
    """Return `crop_mode` if both are values that timm's transform takes.

    Raises:
        UsageError: They are not.
    """
    if crop_mode not in CROP_MODES:
        raise UsageError(f"unknown crop mode {crop_mode!r}: expected one of {', '.join(CROP_MODES)}")
    if not 0 < crop_pct <= 1:
        raise UsageError(f"crop_pct must be over 0 and at most 1, found {crop_pct}")
    return cast("CropMode", crop_mode)


def view_for(
    size: tuple[int, int],
    input_size: tuple[int, int],
    crop_pct: float,
    crop_mode: CropMode,
    grid: tuple[int, int],
) -> View:
    """Return what a model sees of a picture after timm's evaluation transform.

    Equal to `timm.data.create_transform(input_size, crop_pct=..., crop_mode=...)`, rounding included.

    Args:
        size: (width, height) of the picture in pixels.
        input_size: (height, width) of the model's input in pixels.
        crop_pct: The share of the resized picture that the crop keeps, in (0, 1].
        crop_mode: 'center' (shorter side to the input, the rest cut off), 'squash' (both sides to the input,
            the shape lost) or 'border' (longer side to the input, the rest padded).
        grid: (rows, cols) of patches; they divide the model's input evenly.

    Raises:
        UsageError: `crop_mode` or `crop_pct` is not one that timm knows.
        DatasetError: The picture is so thin that a side would vanish.
    """
    input_height, input_width = input_size
    resized_width, resized_height = resized_size(size, input_size, crop_pct, crop_mode)
    left = crop_offset(resized_width, input_width)
    top = crop_offset(resized_height, input_height)
    width, height = size
    box = (
        left * width / resized_width,
        top * height / resized_height,
        (left + input_width) * width / resized_width,
        (top + input_height) * height / resized_height,
    )
    rows, cols = grid
    return View(width, height, box, rows, cols, input_width, input_height)
