"""Where the pictures' files are, how large, and whether they can be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from ...cache.errors import DatasetError
from ..progress import Progress
from .entries import Entry
from .items import Item, Skipped
from .pictures import PictureError, load_image
from .wording import first, show

_AT_ONCE: Final = 256  # pictures handed to the threads in one go


class MissingPicturesError(DatasetError):
    """Pictures of the annotations are not in the image folder."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture whose file is there: which entry it is, its path as found, its size in bytes."""

    entry: Entry
    path: str
    size: int


def place(root: Path, entries: Iterable[Entry]) -> tuple[list[Placed], list[Skipped]]:
    """Find the pictures' files: those that are there in their order, and those that are missing."""
    placed: list[Placed] = []
    missing: list[Skipped] = []
    for entry in entries:
        for path in (entry.path, *entry.elsewhere):
            if (size := _size(root / path)) is not None:
                placed.append(Placed(entry, path, size))
                break
        else:
            missing.append(Skipped(entry.path, "does not exist", entry.image_id))
    return placed, missing


def check_all_there(root: Path, placed: Sequence[Placed], missing: Sequence[Skipped]) -> None:
    """Check that no picture is missing.

    Raises:
        MissingPicturesError: Some are.
    """
    if missing:
        raise MissingPicturesError(
            f"{len(missing)} of {len(placed) + len(missing)} pictures are not in {show(root)}: "
            f"{first(one.path for one in missing)}; is this the image folder that belongs to the annotations?"
        )


def readable(root: Path, placed: Sequence[Placed]) -> tuple[list[Placed], list[Skipped]]:
    """Decode every picture, in threads: those that can be read in their order, and those that cannot."""
    good: list[Placed] = []
    broken: list[Skipped] = []
    threads = min(8, os.cpu_count() or 1)
    with Progress("checking pictures", len(placed), unit="pictures") as progress, ThreadPoolExecutor(threads) as pool:
        for part in _parts(placed):
            for one, why in zip(part, pool.map(lambda one: _fault(root / one.path), part), strict=True):
                if why is None:
                    good.append(one)
                else:
                    broken.append(Skipped(one.path, why, one.entry.image_id))
                progress.update()
    return good, broken


def items_of(placed: Iterable[Placed]) -> tuple[Item, ...]:
    """Return the pictures as items, numbered from 0."""
    return tuple(
        Item(index, one.entry.image_id, PurePosixPath(one.path).stem, one.path, one.entry.references)
        for index, one in enumerate(placed)
    )


def _fault(file: Path) -> str | None:
    try:
        load_image(file)
    except PictureError as error:
        return error.why
    return None


def _size(file: Path) -> int | None:
    """Return a file's size in bytes, None where there is no such file."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _parts(placed: Sequence[Placed]) -> Iterator[list[Placed]]:
    rest = iter(placed)
    while part := list(islice(rest, _AT_ONCE)):
        yield part
