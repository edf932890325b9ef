"""What happens to a picture before the encoder sees it: timm's evaluation transform, in two steps.

`pixels` resizes and crops (uint8, no torch), `normalise` turns a batch of such pixels into the model's input.
Split so, training can keep every picture of a dataset in memory as uint8 (150 KB each at 224 x 224) and
normalise on the device. Together they are bit for bit what `timm.data.create_transform(...,
is_training=False)` gives; `Preprocess.view` tells which part of the picture that was (`cache.geometry`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from ..cache.errors import CheckpointError, DatasetError, UsageError
from ..cache.geometry import View, check_crop, crop_offset, resized_size, view_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RESAMPLING: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}
_CHANNELS: Final = 3
_MAX_INPUT_SIDE: Final = 8192
# A strip of 20,000 x 4 pixels would be resized to over 200 million before its centre is cut out.
_MAX_RESIZED_PIXELS: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Preprocess:
    """timm's evaluation transform of one model.

    Attributes:
        input_size: (height, width) of the model's input in pixels.
        mean: Mean of each channel, of values in [0, 1].
        std: Standard deviation of each channel.
        interpolation: Name of Pillow's filter: nearest, bilinear, bicubic, box, hamming or lanczos.
        crop_pct: The share of the resized picture that the crop keeps, in (0, 1].
        crop_mode: 'center', 'squash' or 'border' (see `cache.geometry.view_for`).
    """

    input_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    crop_pct: float
    crop_mode: str

    def __post_init__(self) -> None:
        """Check the values: they may come from a checkpoint's file.

        Raises:
            UsageError: One of them cannot be used.
        """
        if not all(1 <= side <= _MAX_INPUT_SIDE for side in self.input_size):
            raise UsageError(f"input_size must be 1 to {_MAX_INPUT_SIDE} a side, found {self.input_size}")
        if self.interpolation not in _RESAMPLING:
            names = ", ".join(_RESAMPLING)
            raise UsageError(f"unknown interpolation {self.interpolation!r}: expected one of {names}")
        if not all(math.isfinite(value) for value in self.mean + self.std) or min(self.std) <= 0:
            raise UsageError(f"mean and std must be finite, std positive; found {self.mean} and {self.std}")
        check_crop(self.crop_pct, self.crop_mode)

    @classmethod
    def from_timm(
        cls, source: nn.Module | Mapping[str, Any], *, input_size: tuple[int, int] | None = None
    ) -> Preprocess:
        """Take the preprocessing of a timm model, or of a data config as `resolve_data_config` gives it.

        A model made with `img_size=...` keeps the input size of its *pretrained* configuration in timm's data
        config; the size that its patch embedding really takes is used instead.

        Args:
            source: The model, or its data config.
            input_size: (height, width) to use in place of the model's own.

        Raises:
            UsageError: The model does not take three channels, or the config cannot be used.
        """
        if isinstance(source, Mapping):
            config = source
        else:
            from timm.data.config import resolve_model_data_config  # noqa: PLC0415 (slow, rarely needed)

            config = resolve_model_data_config(source)
            input_size = input_size or _embedded_size(source)
        channels, height, width = config["input_size"]
        if channels != _CHANNELS:
            raise UsageError(f"the encoder takes {channels} channels; only RGB pictures are supported")
        return cls(
            input_size=input_size or (int(height), int(width)),
            mean=_triple(config["mean"]),
            std=_triple(config["std"]),
            interpolation=str(config["interpolation"]),
            crop_pct=float(config["crop_pct"]),
            crop_mode=str(config["crop_mode"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the values as plain JSON types; `from_json` is the inverse."""
        return {
            "input_size": list(self.input_size),
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
            "crop_mode": self.crop_mode,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocess:
        """Read what `to_json` wrote.

        Raises:
            CheckpointError: A value is missing or cannot be used.
        """
        try:
            height, width = values["input_size"]
            return cls(
                input_size=(int(height), int(width)),
                mean=_triple(values["mean"]),
                std=_triple(values["std"]),
                interpolation=str(values["interpolation"]),
                crop_pct=float(values["crop_pct"]),
                crop_mode=str(values["crop_mode"]),
            )
        except KeyError as error:
            raise CheckpointError(f"the checkpoint's preprocessing lacks {error.args[0]!r}") from error
        except (TypeError, ValueError, UsageError) as error:
            raise CheckpointError(f"the checkpoint's preprocessing cannot be used: {error}") from error

    def view(self, size: tuple[int, int], grid: tuple[int, int]) -> View:
        """Return what the model sees of a picture of (width, height) `size`, under a (rows, cols) `grid`.

        Raises:
            DatasetError: The picture is so thin that a side would vanish.
        """
        return view_for(size, self.input_size, self.crop_pct, check_crop(self.crop_pct, self.crop_mode), grid)

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize and crop a picture: [height, width, 3] of 0 to 255, before normalisation.

        Pillow releases the interpreter's lock while it decodes and resizes, so threads help.

        Raises:
            DatasetError: The picture is so thin that it would vanish when resized, or grow beyond bounds.
        """
        if image.mode != "RGB":
            image = image.convert("RGB")
        mode = check_crop(self.crop_pct, self.crop_mode)
        resized = resized_size(image.size, self.input_size, self.crop_pct, mode)
        if resized[0] * resized[1] > _MAX_RESIZED_PIXELS:
            raise DatasetError(
                f"a picture of {image.width} x {image.height} pixels is too thin: at the model's input size "
                f"it has {resized[0]} x {resized[1]} of them; leave it out, or crop it"
            )
        height, width = self.input_size
        left, top = crop_offset(resized[0], width), crop_offset(resized[1], height)
        image = image.resize(resized, _RESAMPLING[self.interpolation])
        if width <= resized[0] and height <= resized[1]:
            return np.array(image.crop((left, top, left + width, top + height)))
        canvas = Image.new("RGB", (width, height), self._fill())
        canvas.paste(image, (-left, -top))
        return np.array(canvas)

    def normalise(self, batch: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch 3 height width"]:
        """Turn a batch of `pixels` into the model's input, float32 on the batch's own device."""
        values = batch.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        # The three steps of torchvision's ToTensor and Normalize, in their order, so that no bit differs.
        mean = torch.tensor(self.mean, dtype=torch.float32, device=batch.device).view(-1, 1, 1)
        std = torch.tensor(self.std, dtype=torch.float32, device=batch.device).view(-1, 1, 1)
        return values.div_(255).sub_(mean).div_(std)

    def __call__(self, image: Image.Image) -> Float[Tensor, "3 height width"]:
        """Turn one picture into the model's input: timm's evaluation transform.

        Raises:
            DatasetError: See `pixels`.
        """
        return self.normalise(torch.from_numpy(self.pixels(image)).unsqueeze(0)).squeeze(0)

    def _fill(self) -> tuple[int, int, int]:
        """Return the colour of padding: in 'border' mode timm pads with the mean, otherwise with black."""
        if self.crop_mode != "border":
            return 0, 0, 0
        red, green, blue = (round(255 * value) for value in self.mean)
        return red, green, blue


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    """Return three floats, or raise ValueError."""
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _embedded_size(model: nn.Module) -> tuple[int, int] | None:
    """Return the (height, width) that a model's patch embedding is made for, None where it takes any."""
    size = getattr(getattr(model, "patch_embed", None), "img_size", None)
    if size is None:
        return None
    height, width = size
    return int(height), int(width)
