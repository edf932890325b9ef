"""A plain folder of pictures, without references."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ...cache.errors import DatasetError
from .entries import UNREADABLE, Entry
from .pictures import IMAGE_SUFFIXES
from .wording import show

KINDS: Final = ", ".join(sorted(suffix.lstrip(".") for suffix in IMAGE_SUFFIXES))


def check_folder(images: Path) -> None:
    """Check that there is such a folder.

    Raises:
        DatasetError: There is none.
    """
    if not images.is_dir():
        kind = "is not a folder" if images.exists() else "does not exist"
        raise DatasetError(f"the image folder {show(images)} {kind}")


def plain_entries(folder: Path) -> list[Entry]:
    """List the pictures of a folder by name; its sub-folders are not entered.

    Raises:
        DatasetError: It cannot be read, or has no pictures.
    """
    names = picture_names(folder)
    if not names:
        raise DatasetError(f"no pictures ({KINDS}) in {show(folder)}; sub-folders are not searched")
    return [Entry(name) for name in names]


def picture_names(folder: Path) -> list[str]:
    """Return the sorted names of a folder's pictures, hidden files (as macOS leaves beside copies) left out.

    Raises:
        DatasetError: It cannot be read, or a name is no text.
    """
    names = sorted(
        entry.name
        for entry in scanned(folder)
        if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
    )
    for name in names:
        if UNREADABLE.search(name):
            raise DatasetError(f"the file name {name!a} in {show(folder)} is not readable text: rename it")
    return names


def scanned(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DatasetError(f"cannot read the image folder {show(folder)}: {error.strerror}") from error
