"""Files of captions, whatever wrote them, and the pictures that they are of.

Two forms are read and written:

- the assignment's, `{"000000179758": "a man riding a bike ."}`; names may have their extension;
- COCO results, `[{"image_id": 179758, "caption": "a man riding a bike ."}, ...]`.

Nothing is dropped in silence: a caption that belongs to no picture, a picture without a caption and a name that is
there twice are errors, or, where part of a dataset is to do, remarks for the reader of the scores.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from ..cache.errors import DatasetError
from ..cache.files import replace_file
from ..cache.text import printable
from .datasets import Dataset, Item

Form = Literal["names", "coco"]

_SHOWN: Final = 3  # names listed in an error
_LISTED: Final = 100  # names listed in a remark


@dataclass(frozen=True)
class Predictions:
    """The captions of a file, not yet joined with pictures.

    Attributes:
        source: The file.
        captions: Caption by a picture's name (a text), or by its id in the annotations (a number).
    """

    source: Path
    captions: Mapping[str | int, str]

    def __len__(self) -> int:
        """Return the number of captions."""
        return len(self.captions)


@dataclass(frozen=True)
class Matched:
    """Pictures with a caption each.

    Attributes:
        items: The pictures, in the order of the dataset; their `index` is that in the dataset.
        captions: One each.
        notes: What a reader of their scores must know, a sentence each.
        missing: Names of the pictures that have no caption.
        unknown: Names or ids of the captions that are of no picture.
    """

    items: tuple[Item, ...]
    captions: tuple[str, ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unknown: tuple[str | int, ...] = ()


class MisfitError(DatasetError):
    """Some captions and pictures fit, others do not."""


def read_predictions(path: Path) -> Predictions:
    """Read a file of captions.

    Raises:
        DatasetError: It cannot be read, has another form, or a name or id is there twice.
    """
    path = Path(path)
    data = _parsed(path)
    if isinstance(data, list):
        captions: dict[str | int, str] = dict(_coco_pairs(data, path))
        _check_doubled([entry["image_id"] for entry in data], path)
    elif isinstance(data, dict) and not {"images", "annotations"} & data.keys():
        captions = {name: _caption(value, f"{printable(name)[:60]!r}", path) for name, value in data.items()}
    else:
        raise DatasetError(f'{_show(path)} has no captions: expected {{"name": "caption", ...}} or COCO results')
    if not captions:
        raise DatasetError(f"{_show(path)} has no captions: it is empty")
    return Predictions(path, captions)


def write_predictions(path: Path, items: Sequence[Item], captions: Sequence[str], form: Form = "names") -> None:
    """Write captions, the whole file or nothing.

    Args:
        path: The file; its folder is made.
        items: The pictures.
        captions: One each.
        form: "names" is the assignment's; "coco" has the pictures' ids, or their names where they have none.

    Raises:
        DatasetError: It cannot be written.
    """
    pairs = list(zip(items, captions, strict=True))
    data: Any = {item.name: caption for item, caption in pairs}
    if form == "coco":
        ids = [item.name if item.image_id is None else item.image_id for item in items]
        data = [{"image_id": key, "caption": caption} for key, caption in zip(ids, captions, strict=True)]
    text = json.dumps(data, ensure_ascii=False, indent=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8", "replace") + b"\n")
    except OSError as error:
        raise DatasetError(f"cannot write {_show(path)}: {error.strerror}") from error


def match(predictions: Predictions, pictures: Dataset | Sequence[Item], *, partial: bool = False) -> Matched:
    """Join captions with the pictures that they are of.

    A picture is found by its name without extension, its file name, its path, or its id. The captions of pictures that
    the dataset has left out (`Dataset.skipped`) are left out too; the dataset's own notes say so.

    Args:
        predictions: The captions.
        pictures: A dataset, or some of its pictures.
        partial: Whether pictures without a caption, and captions without a picture, are left out with a note; else
            they are errors.

    Raises:
        MisfitError: Some do not fit.
        DatasetError: None fits, or a picture has two captions.
    """
    items = list(pictures)
    keys = _keys_of(items)
    left_out = set(_keys_left_out(pictures)) if isinstance(pictures, Dataset) else set()
    found: dict[int, str] = {}
    unknown: list[str | int] = []
    for key, caption in predictions.captions.items():
        place = keys.get(key)
        if place is None:
            if key not in left_out:
                unknown.append(key)
            continue
        if place in found:
            name = printable(items[place].name)
            raise DatasetError(f"{_show(predictions.source)} has two captions of {name}, with and without extension")
        found[place] = caption
    missing = [item.name for place, item in enumerate(items) if place not in found]
    if not found:
        raise DatasetError(_misfit(predictions, items, keys, unknown, missing))
    if not partial and (unknown or missing):
        raise MisfitError(_misfit(predictions, items, keys, unknown, missing))
    notes = tuple(_notes(predictions, len(items), unknown, missing))
    places = sorted(found)
    return Matched(
        tuple(items[place] for place in places),
        tuple(found[place] for place in places),
        notes,
        tuple(missing),
        tuple(unknown),
    )


def _keys_of(items: Sequence[Item]) -> dict[str | int, int]:
    """Return the place of each picture by all that it may be called; the name without extension goes first."""
    keys: dict[str | int, int] = {item.name: place for place, item in enumerate(items)}
    for place, item in enumerate(items):
        path = PurePosixPath(item.path)
        for key in (path.name, item.path, path.with_suffix("").as_posix()):
            keys.setdefault(key, place)
        if item.image_id is not None:
            keys[item.image_id] = place
    return keys


def _keys_left_out(dataset: Dataset) -> Iterator[str | int]:
    for skipped in dataset.skipped:
        path = PurePosixPath(skipped.path)
        yield from (path.stem, path.name, skipped.path, path.with_suffix("").as_posix())
        if skipped.image_id is not None:
            yield skipped.image_id


def _misfit(
    predictions: Predictions,
    items: Sequence[Item],
    keys: Mapping[str | int, int],
    unknown: Sequence[str | int],
    missing: Sequence[str],
) -> str:
    """Return one line about what does not fit."""
    source, total = _show(predictions.source), len(items)
    parts = []
    if unknown:
        if isinstance(unknown[0], int) and all(item.image_id is None for item in items):
            return f"{source} calls pictures by image_id, and this dataset has no ids: give annotations that have"
        parts.append(f"{len(unknown)} of its captions are of no picture ({_first(unknown)}{_hint(unknown[0], keys)})")
    if missing:
        parts.append(f"{len(missing)} of {total} pictures have no caption ({_first(missing)})")
    return f"{source} does not fit the pictures: {'; '.join(parts)}"


def _hint(name: str | int, keys: Mapping[str | int, int]) -> str:
    """Return the name that was perhaps meant."""
    if isinstance(name, int):
        return ""
    near = difflib.get_close_matches(name, [key for key in keys if isinstance(key, str)], 1)
    return f"; did you mean {printable(near[0])}?" if near else ""


def _notes(predictions: Predictions, total: int, unknown: Sequence[str | int], missing: Sequence[str]) -> Iterator[str]:
    if missing:
        yield f"{len(missing):,} of {total:,} pictures have no caption and count nowhere: {_first(missing, _LISTED)}"
    if unknown:
        count = f"{len(unknown):,} of {len(predictions):,} captions"
        yield f"{count} are of no picture and count nowhere: {_first(unknown, _LISTED)}"


def _coco_pairs(data: Sequence[Any], path: Path) -> Iterator[tuple[str | int, str]]:
    for place, entry in enumerate(data):
        where = f"entry {place}"
        if not isinstance(entry, Mapping):
            raise DatasetError(f"{where} of {_show(path)}: expected an object, found {_found(entry)}")
        key = entry.get("image_id")
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise DatasetError(f'{where} of {_show(path)}: expected an "image_id", found {_found(key)}')
        yield key, _caption(entry.get("caption"), where, path)


def _caption(value: object, where: str, path: Path) -> str:
    if not isinstance(value, str):
        raise DatasetError(f"{where} of {_show(path)}: expected a caption, found {_found(value)}")
    return value.encode("utf-8", "replace").decode("utf-8")  # a json can smuggle in half a surrogate pair


def _check_doubled(keys: Iterable[str | int], path: Path) -> None:
    doubled = [key for key, count in Counter(keys).items() if count > 1]
    if doubled:
        raise DatasetError(f"{_show(path)} has more than one caption of {_first(doubled)}")


def _parsed(path: Path) -> Any:
    def pairs(entries: list[tuple[str, Any]]) -> Mapping[str, Any]:
        _check_doubled((key for key, _ in entries), path)
        return dict(entries)

    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=pairs)
    except FileNotFoundError as error:
        raise DatasetError(f"the predictions {_show(path)} do not exist") from error
    except OSError as error:
        raise DatasetError(f"cannot read the predictions {_show(path)}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{_show(path)} is not UTF-8 text: byte {error.start} cannot be decoded") from error
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{_show(path)} is not valid json: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise DatasetError(f"{_show(path)} is not a json of captions") from error


def _first(names: Sequence[str | int], most: int = _SHOWN) -> str:
    shown = ", ".join(printable(str(name)) for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown


def _found(value: object) -> str:
    return printable(repr(value))[:60]


def _show(path: Path) -> str:
    return printable(str(path))
