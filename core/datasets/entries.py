"""What every layout says about a picture, and the checks that all layouts share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ...cache.errors import DatasetError
from ...cache.schema import is_inside
from ...cache.text import printable
from .items import Item
from .wording import found, show

# Control characters, and what Python makes of bytes that are not UTF-8.
UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture as the annotations describe it; whether there is a file has not been looked at.

    Attributes:
        path: Relative to the image folder, with forward slashes; it does not leave the folder.
        references: Its captions.
        image_id: Its id, None where the layout has none.
        split: The split that it belongs to, None where the layout has none.
        elsewhere: Further places where the file may be, in the order in which they are tried.
    """

    path: str
    references: tuple[str, ...] = ()
    image_id: int | None = None
    split: str | None = None
    elsewhere: tuple[str, ...] = ()


def integer(entry: object, key: str, where: str) -> int:
    """Return a whole number of a json object.

    Raises:
        DatasetError: There is none.
    """
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, int) or isinstance(value, bool):
        raise DatasetError(f'{where}: expected an integer "{key}", found {found(value)}')
    return value


def string(entry: object, key: str, where: str) -> str:
    """Return a text of a json object.

    Raises:
        DatasetError: There is none.
    """
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, str):
        raise DatasetError(f'{where}: expected a string "{key}", found {found(value)}')
    return value


def split_of(entry: object) -> str | None:
    """Return the split that a json object names, None where it names none."""
    value = entry.get("split") if isinstance(entry, Mapping) else None
    return clean(value) if isinstance(value, str) and value else None


def inside(file_name: str, where: str) -> str:
    """Return a relative path with forward slashes that cannot leave the image folder.

    Raises:
        DatasetError: It would.
    """
    if not is_inside(file_name) or UNREADABLE.search(file_name):
        shown = printable(repr(file_name))[:80]
        raise DatasetError(f"{where}: the file_name {shown} does not stay in the image folder")
    return PurePosixPath(file_name).as_posix()


def clean(caption: str) -> str:
    """Return a caption that can be written as UTF-8: a json can smuggle in half a surrogate pair."""
    return caption.encode("utf-8", "replace").decode("utf-8")


def check_names(items: Sequence[Item], source: Path) -> None:
    """Check that no two pictures share a name, since predictions are keyed by it.

    Raises:
        DatasetError: Some do.
    """
    counts = Counter(item.name for item in items)
    doubled = [name for name, count in counts.items() if count > 1]
    if doubled:
        files = ", ".join(printable(item.path) for item in items if item.name == doubled[0])
        more = f" ({len(doubled)} such names)" if len(doubled) > 1 else ""
        raise DatasetError(
            f"pictures in {show(source)} have the same name without extension, which keys their captions: {files}{more}"
        )
