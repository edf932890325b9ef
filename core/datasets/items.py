"""What a dataset is: pictures with names, references and a fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...cache.text import printable

_NAMED: Final = 100  # left-out pictures that a note names


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a dataset.

    Attributes:
        index: Its place in the dataset, from 0.
        image_id: Its id in the annotations, None where they have none.
        name: The file name without folders and extension: the key of its prediction.
        path: The file relative to the dataset's image folder, with forward slashes.
        references: The captions that people gave it, in the order of the annotations; may be empty.
    """

    index: int
    image_id: int | None
    name: str
    path: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that was left out of a dataset.

    Attributes:
        path: The file relative to the image folder.
        why: What is wrong with it, one line.
        image_id: Its id in the annotations, None where they have none.
    """

    path: str
    why: str
    image_id: int | None = None


@dataclass(frozen=True)
class Dataset:
    """A list of pictures that all exist, in the order of the annotations (a plain folder: by name).

    Attributes:
        root: The image folder.
        items: The pictures.
        annotations: The file with the references, None for a plain folder.
        name: A short name for people, from the file's or folder's name.
        fingerprint: SHA-256 over the pictures' paths, file sizes and references in their order: equal for
            copies of a dataset.
        skipped: The pictures that were left out, being missing or broken; none unless that was asked for.
        chosen: What was chosen beside the files, as options of the commands: (name, value).
    """

    root: Path
    items: tuple[Item, ...]
    annotations: Path | None
    name: str
    fingerprint: str = field(repr=False)
    skipped: tuple[Skipped, ...] = ()
    chosen: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        """Go through the pictures in order."""
        return iter(self.items)

    def file(self, item: Item) -> Path:
        """Return where a picture's file is."""
        return self.root / item.path

    @property
    def has_references(self) -> bool:
        """Whether any picture has a reference caption."""
        return any(item.references for item in self.items)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of any figure about this dataset must know, a sentence each: what was left out."""
        if not self.skipped:
            return ()
        named = ", ".join(f"{printable(one.path)} ({one.why})" for one in self.skipped[:_NAMED])
        more = f", and {len(self.skipped) - _NAMED:,} more" if len(self.skipped) > _NAMED else ""
        total = len(self.items) + len(self.skipped)
        return (f"{len(self.skipped):,} of {total:,} pictures are left out of everything: {named}{more}",)


def fingerprint(items: Sequence[Item], sizes: Sequence[int]) -> str:
    """Hash paths, sizes in bytes and references in the order of the items: what is kept by index relies on it."""
    rows = ([item.path, size, list(item.references)] for item, size in zip(items, sizes, strict=True))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n")
    return digest.hexdigest()
