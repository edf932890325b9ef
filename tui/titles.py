"""What several runs are called, so that one can tell them apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .cells import in_cells

if TYPE_CHECKING:
    from collections.abc import Sequence


def titles_of(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return short names of folders: the last part, with as many of the parents as it takes to tell them apart.

    >>> titles_of([Path("/runs/large/val"), Path("/runs/small/val"), Path("/runs/test")])
    ('large/val', 'small/val', 'test')
    """
    whole = [folder.absolute().parts for folder in folders]
    lengths = [1] * len(whole)

    def is_unclear(place: int) -> bool:
        parts, length = whole[place], lengths[place]
        like = (other for other in whole if other[-length:] == parts[-length:])
        return length < len(parts) and any(other != parts for other in like)

    while unclear := [place for place in range(len(whole)) if is_unclear(place)]:
        for place in unclear:
            lengths[place] += 1
    return tuple(in_cells(str(Path(*parts[-length:]))) for parts, length in zip(whole, lengths, strict=True))
