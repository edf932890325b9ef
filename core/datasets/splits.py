"""One split of a dataset: as its annotations name them, as files beside them list them, or as a file of names says."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from ...cache.errors import DatasetError, UsageError
from ...cache.text import printable
from .entries import Entry
from .source import text_of
from .wording import first, show

_SAME: Final = ({"train", "training"}, {"val", "valid", "validation", "dev"}, {"test", "testing"})
_REST: Final = "restval"  # Karpathy's: pictures of COCO's val that everybody trains on


def select(entries: Sequence[Entry], split: str, annotations: Path | None) -> list[Entry]:
    """Return the entries of a split, in their order.

    Args:
        entries: All of them.
        split: Its name (val, valid, validation and dev are one; train has Karpathy's restval too), or a file with a
            picture's name a line.
        annotations: The file that they are from; beside it may be lists like `Flickr_8k.trainImages.txt`.

    Raises:
        UsageError: There is no such split.
        DatasetError: A list cannot be read, or names a picture that is not there.
    """
    names = _names(split)
    own = [entry for entry in entries if entry.split is not None and entry.split.casefold() in names]
    if own:
        return own
    listing = _listing(split, names, annotations)
    if listing is not None:
        return _listed(entries, listing)
    known = Counter(entry.split for entry in entries if entry.split is not None)
    where = show(annotations) if annotations else "a plain folder"
    if not known:
        raise UsageError(f"{where} has no splits: leave out --split {printable(split)}, or give a file of names")
    listed = ", ".join(f"{printable(name)} ({count:,})" for name, count in known.most_common(10))
    raise UsageError(f"{where} has no split {printable(split)!r}, but {listed}")


def label(split: str) -> str:
    """Return what a dataset's name gets for a split: its name, or that of its file."""
    return Path(split).stem if Path(split).is_file() else split


def _names(split: str) -> set[str]:
    plain = split.casefold()
    names = next((set(same) for same in _SAME if plain in same), {plain})
    return names | {_REST} if "train" in names else names


def _listing(split: str, names: Iterable[str], annotations: Path | None) -> Path | None:
    """Return the file that lists a split's pictures, None where there is none."""
    if Path(split).is_file():
        return Path(split)
    if annotations is None:
        return None
    wanted = {f"{name}.txt" for name in names} | {f"flickr_8k.{name}images.txt" for name in names}
    beside = sorted(annotations.parent.glob("*.txt"))
    return next((file for file in beside if file.name.casefold() in wanted and file != annotations), None)


def _listed(entries: Sequence[Entry], listing: Path) -> list[Entry]:
    """Return the entries that a file names, by file name or without extension."""
    lines = [line.strip() for line in text_of(listing).splitlines()]
    wanted = {line for line in lines if line}
    chosen = [entry for entry in entries if not wanted.isdisjoint(_keys(entry))]
    unknown = wanted - {key for entry in chosen for key in _keys(entry)}
    if unknown:
        missing = sorted(unknown)
        near = difflib.get_close_matches(missing[0], [PurePosixPath(entry.path).name for entry in entries], 1)
        hint = f"; did you mean {printable(near[0])}?" if near else ""
        raise DatasetError(
            f"{len(missing)} of the {len(wanted)} names in {show(listing)} are no pictures of the dataset: "
            f"{first(missing)}{hint}"
        )
    if not chosen:
        raise DatasetError(f"{show(listing)} names no pictures")
    return chosen


def _keys(entry: Entry) -> tuple[str, str, str]:
    path = PurePosixPath(entry.path)
    return entry.path, path.name, path.stem
