"""The pictures themselves: read as RGB, and made small."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...cache.errors import DatasetError
from ...cache.text import printable
from .wording import show

IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
MAX_PIXELS: Final = 64 * 1024 * 1024
FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP")
_PREVIEW_QUALITY: Final = 85
_TINY: Final = 96  # pixels

# Pillow warns about pictures that load_image refuses anyway, with a better line.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class PictureError(DatasetError):
    """One picture cannot be read.

    Attributes:
        why: What is wrong with it, without its name.
    """

    def __init__(self, line: str, why: str) -> None:
        super().__init__(line)
        self.why = why


def load_image(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture as RGB, with the pixels that timm and CLIP pipelines see.

    Grey, CMYK and palette pictures are converted, 16-bit grey is scaled to 8 bits, transparency is dropped
    (not blended). A rotation in EXIF is *not* applied, because the pipelines that models were trained with do
    not apply it.

    Args:
        path: A PNG, JPEG, WebP or BMP file, whatever its suffix.
        max_pixels: Larger pictures are refused before they are decoded.

    Raises:
        PictureError: The file is missing, too large, cut short or not such a picture.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image, path, max_pixels)
            return _to_rgb(image)
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"the picture {show(path)} does not exist", "does not exist") from error
    except UnidentifiedImageError as error:
        why = "not a PNG, JPEG, WebP or BMP picture, or is cut short"
        raise PictureError(f"{show(path)} is {why}", why) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        why = f"too large: over the limit of {max_pixels:,} pixels"
        raise PictureError(f"{show(path)} is {why}", why) from error
    except Exception as error:  # Pillow's decoders raise almost anything on a damaged file
        why = printable(str(error))
        raise PictureError(f"cannot read the picture {show(path)}: {why}; replace it, or leave it out", why) from error


def make_preview(image: Image.Image, max_side: int = 448) -> bytes:
    """Return a JPEG of the whole picture in its own shape, at most `max_side` pixels a side."""
    preview = image.convert("RGB")
    preview.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # A tiny picture is shown much enlarged, blocks and smeared colours with it.
    how = {"quality": 95, "subsampling": 0} if max(preview.size) <= _TINY else {"quality": _PREVIEW_QUALITY}
    preview.save(buffer, "JPEG", optimize=True, **how)
    return buffer.getvalue()


def _check_size(image: Image.Image, path: Path, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        size = f"{image.width} x {image.height} pixels"
        why = f"{size}, over the limit of {max_pixels:,}"
        raise PictureError(f"{show(path)} has {why}: make it smaller", why)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 instead of scaling it: nearly every pixel would be white.
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGBA")  # the same colours, without Pillow's warning about transparent palettes
    return image.convert("RGB")
