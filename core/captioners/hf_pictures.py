"""How a Hugging Face image processor turns a picture into a model's input, and what of the picture that is.

Contract: pixels come from the processor itself. The `View` is calculated from its settings (resize to a size, or of the
shorter side; centre crop) and *checked*: pictures that brighten from left to right and from top to bottom go through
the processor when it is opened, and where their values do not lie where the view says, the processor is refused. So a
processor that does something else with pictures than its settings say cannot put a map in the wrong place.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...cache.errors import CheckpointError, DatasetError
from ...cache.geometry import View

_PROBES: Final = ((96, 64), (67, 101), (80, 80))  # (width, height)
_TOLERANCE: Final = 0.04  # of the picture's side; resampling blurs the borders of what was padded
_MAX_RESIZED_PIXELS: Final = 64 * 1024 * 1024  # a strip of 20,000 x 4 pixels would grow to more


class Pictures:
    """An image processor with fixed input size.

    Attributes:
        size: (height, width) of the model's input.
    """

    def __init__(self, processor: Any, folder: Path) -> None:
        """Look at the processor's settings and try it.

        Raises:
            CheckpointError: inputs would differ in size, or it does what is not known here.
        """
        self._processor, self._folder = processor, folder
        inputs = [self._pixels(_slope(size)) for size in _PROBES]
        shapes = {found.shape for found in inputs}
        if len(shapes) != 1 or inputs[0].ndim != 3 or inputs[0].shape[0] != 3:  # noqa: PLR2004 (channels, rows, cols)
            raise self._unknown(f"inputs of pictures of several shapes have the shapes {sorted(shapes)}")
        self.size: tuple[int, int] = (inputs[0].shape[1], inputs[0].shape[2])
        for size, found in zip(_PROBES, inputs, strict=True):
            black, white = (self._pixels(Image.new("RGB", size, (level,) * 3)) for level in (0, 255))
            span = np.where(white > black, white - black, 1)  # padding is the same in both
            self._check(self.view(size, (1, 1)), ((found - black) / span).astype(np.float32))

    def input(self, image: Image.Image) -> NDArray[np.float32]:
        """The model's input [channel, height, width].

        Raises:
            DatasetError: The picture is so thin that it would grow beyond bounds.
        """
        width, height = self._resized(image.size)
        if width * height > _MAX_RESIZED_PIXELS:
            raise DatasetError(
                f"a picture of {image.width} x {image.height} pixels is too thin: resized for the model it has {width} "
                f"x {height} of them; leave it out, or crop it"
            )
        return self._pixels(image)

    def view(self, size: tuple[int, int], grid: tuple[int, int]) -> View:
        """What the model sees of a picture of (width, height) `size`, under a (rows, cols) `grid`."""
        width, height = size
        resized_width, resized_height = self._resized(size)
        left, top = self._offset(resized_width, self.size[1]), self._offset(resized_height, self.size[0])
        box = (
            left * width / resized_width,
            top * height / resized_height,
            (left + self.size[1]) * width / resized_width,
            (top + self.size[0]) * height / resized_height,
        )
        return View(width, height, box, *grid, self.size[1], self.size[0])

    def _pixels(self, image: Image.Image) -> NDArray[np.float32]:
        found = self._processor(images=image, return_tensors="np")["pixel_values"][0]
        return np.asarray(found, np.float32)

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) before the crop."""
        if not getattr(self._processor, "do_resize", False):
            return size
        wanted = self._processor.size
        height, width, short = (wanted.get(key) for key in ("height", "width", "shortest_edge"))
        if height and width:
            return int(width), int(height)
        if short and not wanted.get("longest_edge"):
            long = int(short * max(size) / min(size))  # cut, as torchvision does
            return (short, long) if size[0] <= size[1] else (long, short)
        raise self._unknown(f"it resizes to {dict(wanted)}")

    def _offset(self, resized: int, target: int) -> int:
        """Where a centred crop begins; negative where the side is shorter and is padded."""
        if resized >= target:
            return (resized - target) // 2
        before = math.floor if getattr(self._processor, "backend", "") == "torchvision" else math.ceil
        return -before((target - resized) / 2)

    def _check(self, view: View, found: NDArray[np.float32]) -> None:
        """Compare the input of a slope, from 0 to 1, with what the view says; there is no padding in the middle."""
        across, down = found[0, found.shape[1] // 2], found[1, :, found.shape[2] // 2]
        for values, side, start, end in (
            (across, view.width, view.box[0], view.box[2]),
            (down, view.height, view.box[1], view.box[3]),
        ):
            places = (start + (np.arange(len(values)) + 0.5) * (end - start) / len(values)) / side
            inside = (places > _TOLERANCE) & (places < 1 - _TOLERANCE)
            if not inside.any() or np.abs(values - places)[inside].max() > _TOLERANCE:
                raise self._unknown("pictures are not resized and cropped as its settings say")

    def _unknown(self, what: str) -> CheckpointError:
        name = type(self._processor).__name__
        return CheckpointError(
            f"{self._folder}: the image processor {name} is not known here: {what}; maps could not be placed"
        )


def _slope(size: tuple[int, int]) -> Image.Image:
    """A picture whose red grows from 0 at the left to 255 at the right, and whose green from top to bottom."""
    width, height = size
    red = np.broadcast_to((np.arange(width) + 0.5) / width * 255, (height, width))
    green = np.broadcast_to(((np.arange(height) + 0.5) / height * 255)[:, None], (height, width))
    return Image.fromarray(np.stack([red, green, red], -1).round().astype(np.uint8))
