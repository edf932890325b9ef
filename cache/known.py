"""Which runs there are in a folder, and of which kind each is, by a look at their manifests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from . import folders
from .errors import CacheError, CacheNotFound, CacheUnfinished
from .schema import FORMAT, MANIFEST_FILE, WORK_FILE, ZEROSHOT_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Kind = Literal["captions", "zero-shot"]

_KINDS: Final[dict[str, Kind]] = {FORMAT: "captions", ZEROSHOT_FORMAT: "zero-shot"}
_MOST_FOLDERS: Final = 500  # looked at in one folder


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run on disk.

    Attributes:
        folder: Where it is.
        kind: What it holds.
        count: Its pictures; None where it is not finished.
    """

    folder: Path
    kind: Kind
    count: int | None


def kind_of(folder: Path) -> Kind | None:
    """Return what kind of run a folder holds; None where that cannot be told: opening it says why."""
    try:
        return look_at(folder).kind
    except CacheError:
        return None


def look_at(folder: Path) -> KnownRun:
    """Return what a folder holds.

    Raises:
        CacheError: No run that is known.
    """
    try:
        content = json.loads(folders.read_manifest(folder)[0])
    except CacheUnfinished:
        return KnownRun(folder, "captions", None)
    except (ValueError, RecursionError) as error:
        raise CacheNotFound(f"{folder}: no manifest of a run") from error
    kind = _KINDS.get(str(content.get("format"))) if isinstance(content, dict) else None
    if kind is None:
        raise CacheNotFound(f"{folder}: no manifest of a run")
    count = content.get("count")
    return KnownRun(folder, kind, count if isinstance(count, int) else None)


def runs_in(places: Iterable[Path]) -> list[KnownRun]:
    """Return the runs that lie in some folders, each once, by folder; what cannot be read is passed over."""
    found: dict[Path, KnownRun] = {}
    for folder in sorted(inner for place in dict.fromkeys(places) for inner in _folders_in(place)):
        try:
            found[folder.resolve()] = look_at(folder)
        except (CacheError, OSError):
            continue
    return list(found.values())


def _may_be_a_run(folder: Path) -> bool:
    """Tell whether a folder has one of the files that runs have: the others may be full of pictures."""
    return any((folder / name).is_file() for name in (MANIFEST_FILE, WORK_FILE))


def _folders_in(place: Path) -> Iterator[Path]:
    try:
        entries = sorted(place.iterdir())[:_MOST_FOLDERS]
        # What begins with a dot is a run that is about to take another's place.
        yield from (entry for entry in entries if not entry.name.startswith(".") and _may_be_a_run(entry))
    except OSError:
        return
