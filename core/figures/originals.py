"""A run's pictures as a figure needs them: the preview, or the picture's own file where that shows more."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Protocol

from PIL import Image, ImageOps, UnidentifiedImageError

from ...cache.errors import CacheDamaged, DatasetError
from ...cache.text import printable

if TYPE_CHECKING:
    from pathlib import Path

_MOST_PREVIEW_PIXELS: Final = 16_000_000  # previews are far smaller; a forged one must not take the memory

_TINY: Final = 96  # pixels of the longer side


class HasPictures(Protocol):
    """A run of whatever kind."""

    @property
    def folder(self) -> Path:
        """Where it is on disk."""

    def preview(self, index: int, /) -> bytes:
        """Return a small JPEG of the picture."""

    def image_file(self, index: int, /) -> Path | None:
        """Return the picture's own file, or None where it is not on this machine."""


def find_picture(run: HasPictures, index: int, size: tuple[int, int], side: int) -> Image.Image:
    """Return a picture with the pixels that a cell can show, if there are that many.

    Args:
        run: An open run.
        index: The picture, from 0.
        size: Width and height of the original, as the run knows them.
        side: Pixels of the longer side of the cell.

    Raises:
        CacheDamaged: The preview cannot be read.
    """
    preview = _preview(run, index)
    if max(preview.size) >= min(side, max(size)):
        return preview
    file = run.image_file(index)
    return (None if file is None else _own_picture(file, size)) or preview


def enlarged(image: Image.Image, side: int) -> Image.Image:
    """Return a picture whose longer side has so many pixels; a tiny one keeps sharp pixels when it is enlarged."""
    is_tiny = max(image.size) <= min(_TINY, side // 2)
    return ImageOps.contain(image, (side, side), Image.Resampling.NEAREST if is_tiny else Image.Resampling.LANCZOS)


def _own_picture(file: Path, size: tuple[int, int]) -> Image.Image | None:
    """Return the picture in a dataset's file; None where it cannot be read, or is another than the run's."""
    from ..datasets import load_image  # noqa: PLC0415 (the browser needs it for fine figures only)

    try:
        image = load_image(file)
    except DatasetError:
        return None
    return image if image.size == size else None


def _preview(run: HasPictures, index: int) -> Image.Image:
    damaged = f"the preview of picture {index} in {printable(str(run.folder))} is damaged: make the run again"
    try:
        image = Image.open(io.BytesIO(run.preview(index)), formats=("JPEG",))
        if image.width * image.height > _MOST_PREVIEW_PIXELS:
            raise CacheDamaged(damaged)
        return image.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise CacheDamaged(damaged) from error
