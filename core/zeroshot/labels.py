"""The classes, and which of them each picture is of.

Labels come from the assignment's `id2label.json`, a list (json, or a text with one a line), a CSV, or a folder whose
sub-folders are the classes. The truth, if any, is in the pictures' own paths: `{class id}_{anything}.png`, or a folder
that is called like a class.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from ...cache.errors import DatasetError, UsageError
from ...cache.text import printable
from ...cache.zeroshot import Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ..datasets import Dataset

Truth = Literal["auto", "name", "folder", "none"]
TRUTHS: Final[tuple[str, ...]] = get_args(Truth)

_LARGEST: Final = 64 << 20  # bytes
_ID_HEADS: Final = ("id", "class_id", "label_id", "index")
_NAME_HEADS: Final = ("name", "label", "class", "class_name", "label_name", "object")


def read_labels(source: Path) -> tuple[Label, ...]:
    """Read the classes, in the order of the file; of a folder, its sub-folders by name.

    `{"0": "bicycle", ...}` gives ids and names; a list gives names, whose ids are their places from 0; a CSV has a
    column for the id and one for the name, or names alone.

    Raises:
        DatasetError: It cannot be read, has no classes, an empty name, or the same id twice.
    """
    if source.is_dir():
        labels = _folder_labels(source)
    elif source.suffix.lower() == ".json":
        labels = _json_labels(_parsed(source), source)
    elif source.suffix.lower() in {".csv", ".tsv"}:
        labels = _csv_labels(source)
    else:
        labels = _numbered(line.strip() for line in _text(source).splitlines() if line.strip())
    return _checked(labels, source)


def find_truth(dataset: Dataset, labels: Sequence[Label], how: Truth = "auto") -> tuple[NDArray[np.int32], list[str]]:
    """Find each picture's class in its path.

    Args:
        dataset: The pictures.
        labels: The classes.
        how: "name" looks at the file name, which begins with a class id and "_"; "folder" at the folder it is in,
            called by a class's id or name; "auto" at the folder and then the name, but believes file names only if
            all of them fit; "none" at nothing.

    Returns:
        The class of each picture [count], -1 where it is not known; and remarks for the user.

    Raises:
        UsageError: It was asked for one way ("name" or "folder"), and no picture's class is found.
    """
    nowhere = np.full(len(dataset), -1, np.int32)
    if how == "none":
        return nowhere, []
    by_folder = _by_folder([item.path for item in dataset], labels) if how in {"auto", "folder"} else nowhere
    if (by_folder >= 0).any():
        return by_folder, _strays(by_folder, "are in no folder called like a class")
    by_name = _by_name([item.path for item in dataset], labels) if how in {"auto", "name"} else nowhere
    found = int((by_name >= 0).sum())
    if how == "auto" and 0 < found < len(dataset):
        few = f"only {found:,} of {len(dataset):,} file names begin with a class id and _"
        return nowhere, [f"{few}, so none is believed; --truth name takes those"]
    if how != "auto" and not found:
        wanted = "begins with a class id and _" if how == "name" else "is in a folder called like a class"
        raise UsageError(f"--truth {how}: no picture of {printable(str(dataset.root))} {wanted}")
    return by_name, _strays(by_name, "have a name that does not begin with a class id and _")


def _by_name(paths: Sequence[str], labels: Sequence[Label]) -> NDArray[np.int32]:
    places = {label.id: place for place, label in enumerate(labels)}

    def one(path: str) -> int:
        stem = PurePosixPath(path).stem
        ends = [place for place, letter in enumerate(stem) if letter == "_"]
        return next((places[stem[:end]] for end in reversed(ends) if stem[:end] in places), -1)

    return np.array([one(path) for path in paths], np.int32)


def _by_folder(paths: Sequence[str], labels: Sequence[Label]) -> NDArray[np.int32]:
    places = {_plain(label.name): place for place, label in reversed(list(enumerate(labels)))}
    places |= {label.id: place for place, label in enumerate(labels)}

    def one(path: str) -> int:
        folder = PurePosixPath(path).parent.name
        return places.get(folder, places.get(_plain(folder), -1))

    return np.array([one(path) for path in paths], np.int32)


def _strays(truth: NDArray[np.int32], what: str) -> list[str]:
    strays = int((truth < 0).sum())
    return (
        [f"{strays:,} of {len(truth):,} pictures {what}: they count for no accuracy"] if 0 < strays < len(truth) else []
    )


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


def _folder_labels(folder: Path) -> list[Label]:
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise DatasetError(f"{_show(folder)} has no sub-folders, whose names would be the classes")
    return [Label(name, " ".join(name.replace("_", " ").split()) or name) for name in names]


def _json_labels(content: Any, source: Path) -> list[Label]:
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return _numbered(content)
    if isinstance(content, dict) and all(isinstance(name, str) for name in content.values()):
        return [Label(key, name) for key, name in content.items()]
    raise DatasetError(f'{_show(source)}: expected {{"0": "bicycle", ...}} or a list of names')


def _csv_labels(source: Path) -> list[Label]:
    text = _text(source)
    delimiter = "\t" if source.suffix.lower() == ".tsv" else ","
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as error:
        raise DatasetError(f"{_show(source)} is no CSV ({error})") from error
    if not rows:
        return []
    heads = [head.strip().casefold() for head in rows[0]]
    ids = next((heads.index(head) for head in _ID_HEADS if head in heads), None)
    names = next((heads.index(head) for head in _NAME_HEADS if head in heads), None)
    if names is None:
        names, ids = (0, None) if len(heads) == 1 else (1, 0)
    else:
        rows = rows[1:]
    short = next((number for number, row in enumerate(rows, 1) if len(row) <= max(names, ids or 0)), None)
    if short is not None:
        raise DatasetError(f"{_show(source)}: row {short} has fewer columns than the first")
    if ids is None:
        return _numbered(row[names].strip() for row in rows)
    return [Label(row[ids].strip(), row[names].strip()) for row in rows]


def _numbered(names: Iterable[str]) -> list[Label]:
    return [Label(str(place), name) for place, name in enumerate(names)]


def _checked(labels: Sequence[Label], source: Path) -> tuple[Label, ...]:
    if not labels:
        raise DatasetError(f"{_show(source)} has no classes")
    empty = next((label.id for label in labels if not label.name.strip() or not label.id), None)
    if empty is not None:
        raise DatasetError(f"{_show(source)}: the class {printable(empty)!r} has no name")
    doubled = [name for name, count in Counter(label.id for label in labels).items() if count > 1]
    if doubled:
        raise DatasetError(f"{_show(source)}: the class id {printable(doubled[0])!r} is there twice")
    return tuple(Label(_writable(label.id), _writable(label.name)) for label in labels)


def _writable(text: str) -> str:
    """Return a text that can be written as UTF-8: a json can smuggle in half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parsed(source: Path) -> Any:
    def pairs(entries: list[tuple[str, Any]]) -> Mapping[str, Any]:
        if len({key for key, _ in entries}) != len(entries):
            doubled = next(key for key, count in Counter(key for key, _ in entries).items() if count > 1)
            raise DatasetError(f"{_show(source)}: the class id {printable(doubled)!r} is there twice")
        return dict(entries)

    try:
        return json.loads(_text(source), object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{_show(source)} is not valid json: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise DatasetError(f"{_show(source)} is not a json of labels") from error


def _text(source: Path) -> str:
    try:
        if source.stat().st_size > _LARGEST:
            raise DatasetError(f"{_show(source)} is too large to be a list of labels")
        return source.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError(f"the labels {_show(source)} do not exist") from error
    except OSError as error:
        raise DatasetError(f"cannot read the labels {_show(source)}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{_show(source)} is not UTF-8 text: byte {error.start} cannot be decoded") from error


def _show(path: Path) -> str:
    return printable(str(path))
