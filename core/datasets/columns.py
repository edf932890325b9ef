"""Which columns of a table are the picture and its captions: guessed by their heads, or named by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...cache.errors import DatasetError, UsageError
from ...cache.text import printable
from .wording import show

IMAGES: Final = ("file_name", "filename", "image", "image_name", "image_path", "filepath", "path", "file", "img")
_CAPTIONS: Final = ("caption", "captions", "references", "reference", "sentence", "sentences", "raw", "text", "comment")
_NUMBERED: Final = re.compile(r"(?:caption|reference|sentence|comment)_?\d+")  # caption_0 to caption_4
_IDS: Final = ("image_id", "cocoid", "img_id", "imgid")


@dataclass(frozen=True, slots=True)
class Columns:
    """The heads of a table's columns.

    Attributes:
        image: That of the picture's file; None lets it be guessed.
        caption: That of the caption or captions; None lets it be guessed.
    """

    image: str | None = None
    caption: str | None = None

    @classmethod
    def parse(cls, text: str) -> Columns:
        """Read `image=HEAD,caption=HEAD`; one of them alone is enough.

        Raises:
            UsageError: It is something else.
        """
        pairs = [part.partition("=") for part in text.split(",")]
        named = {key.strip(): head.strip() for key, _, head in pairs}
        if not all(named.values()) or len(named) != len(pairs) or not named.keys() <= {"image", "caption"}:
            raise UsageError(f"--columns {printable(text)}: expected image=HEAD,caption=HEAD")
        return cls(named.get("image"), named.get("caption"))

    def __str__(self) -> str:
        """What `parse` reads."""
        named = {"image": self.image, "caption": self.caption}
        return ",".join(f"{key}={head}" for key, head in named.items() if head is not None)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The places of a table's columns, None where there is none; captions may be in several."""

    image: int
    captions: tuple[int, ...]
    image_id: int | None
    split: int | None

    def of(self, cells: Sequence[Any] | Mapping[int, Any]) -> tuple[Any, list[Any], Any, Any]:
        """Return a row's picture, captions, id and split.

        Args:
            cells: The row's, by their places.
        """
        image_id = None if self.image_id is None else cells[self.image_id]
        split = None if self.split is None else cells[self.split]
        return cells[self.image], [cells[place] for place in self.captions], image_id, split


def choose(heads: Sequence[str], columns: Columns, source: Path) -> Chosen:
    """Find the columns.

    Raises:
        DatasetError: There is none for the picture, or a named one is not there.
    """
    plain = [head.strip().casefold() for head in heads]
    image = _place(plain, columns.image, IMAGES, heads, source)
    if image is None:
        raise DatasetError(
            f"{show(source)} has the columns {_listed(heads)}, none of which is known to name the picture "
            f"({', '.join(IMAGES)}): say it, --columns image=HEAD,caption=HEAD"
        )
    caption = _place(plain, columns.caption, _CAPTIONS, heads, source)
    numbered = tuple(place for place, head in enumerate(plain) if _NUMBERED.fullmatch(head))
    captions = numbered if caption is None else (caption,)
    return Chosen(image, captions, _known(plain, _IDS), _known(plain, ("split",)))


def guessable(heads: Sequence[str], columns: Columns) -> bool:
    """Tell whether a line looks like a table's head."""
    plain = {head.strip().casefold() for head in heads}
    wanted = {columns.image.casefold()} if columns.image else set(IMAGES)
    return bool(plain & wanted)


def _place(
    plain: Sequence[str], named: str | None, known: Sequence[str], heads: Sequence[str], source: Path
) -> int | None:
    if named is None:
        return _known(plain, known)
    if named.casefold() not in plain:
        raise DatasetError(f"{show(source)} has no column {printable(named)!r}, but {_listed(heads)}")
    return plain.index(named.casefold())


def _known(plain: Sequence[str], known: Sequence[str]) -> int | None:
    return next((plain.index(head) for head in known if head in plain), None)


def _listed(heads: Sequence[str]) -> str:
    return ", ".join(repr(printable(head.strip()))[:40] for head in heads[:10]) + (", ..." if len(heads) > 10 else "")  # noqa: PLR2004
