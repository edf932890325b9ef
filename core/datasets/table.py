"""Tables: CSV and its like, json lines, a json list of objects, Parquet; and a json of captions by name.

A row has a picture and a caption, a list of captions, or none; rows of the same picture belong together, be they
apart. In text, a list of captions is json (`["one", "two"]`).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from ...cache.errors import DatasetError
from ...cache.text import printable
from .columns import Columns, choose, guessable
from .entries import Entry, clean, inside
from .pictures import IMAGE_SUFFIXES
from .source import json_of
from .wording import found, show

_DELIMITERS: Final = ",\t;|"
_EXTENSIONS: Final = (".jpg", ".png", ".jpeg", ".webp", ".bmp")

Row = tuple[str, Any, list[Any], Any, Any]  # where it stands; picture, cells with captions, id, split


@dataclass(slots=True)
class _Picture:
    """A picture, while its rows are gathered."""

    where: str
    image_id: int | None
    split: str | None
    captions: list[str] = field(default_factory=list)


def delimiter_of(text: str, columns: Columns) -> str | None:
    """Return what parts the columns of a table whose first line is its head; None where it is no such table."""
    return next((mark for mark in _DELIMITERS if guessable(_heads(text, mark), columns)), None)


def csv_entries(text: str, delimiter: str, columns: Columns, source: Path) -> list[Entry]:
    """Read a table of text.

    A last column's caption may have delimiters that are not quoted, as in some copies of Flickr8k's captions.txt.

    Raises:
        DatasetError: A row does not fit.
    """
    return _gathered(_csv_rows(text, delimiter, columns, source), source)


def json_lines_entries(text: str, columns: Columns, source: Path) -> list[Entry]:
    """Read json lines, an object a line.

    Raises:
        DatasetError: A line does not fit.
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n")) if line.strip()]
    records = [(f"line {number + 1} of {show(source)}", json_of(line, source, number)) for number, line in lines]
    return _gathered(_record_rows(records, columns, source), source)


def records_entries(records: Sequence[Any], columns: Columns, source: Path) -> list[Entry]:
    """Read a json list of objects.

    Raises:
        DatasetError: An object does not fit.
    """
    named = [(f"entry {place} of {show(source)}", record) for place, record in enumerate(records)]
    return _gathered(_record_rows(named, columns, source), source)


def parquet_entries(columns: Columns, source: Path) -> list[Entry]:
    """Read a Parquet table.

    Raises:
        DatasetError: It cannot be read, or a row does not fit.
    """
    import pyarrow as pa  # noqa: PLC0415 (a third of a second, which no other layout needs)
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(source) as file:
            heads = file.schema_arrow.names
            chosen = choose(heads, columns, source)
            _check_names_column(file.schema_arrow.field(chosen.image), source)
            places = [chosen.image, *chosen.captions, chosen.image_id, chosen.split]
            table = file.read([heads[place] for place in places if place is not None])
            cells = {place: table.column(heads[place]).to_pylist() for place in places if place is not None}
    except (pa.ArrowException, OSError, LookupError, ValueError) as error:
        raise DatasetError(f"{show(source)} is no readable Parquet table: {printable(str(error))[:200]}") from error
    rows = [{place: values[number] for place, values in cells.items()} for number in range(table.num_rows)]
    named = ((f"row {number} of {show(source)}", *chosen.of(row)) for number, row in enumerate(rows, 1))
    return _gathered(named, source)


def _check_names_column(column: Any, source: Path) -> None:
    """Refuse pictures that are in the table themselves, before gigabytes of them are read."""
    kind = getattr(column.type, "value_type", column.type)  # a dictionary's
    if str(kind) not in {"string", "large_string", "string_view"}:
        raise DatasetError(
            f"{show(source)}: the column {printable(column.name)!r} has {printable(str(column.type))[:40]}, not names "
            "of files: --columns image=HEAD names another; pictures in the table: `hw3 unpack` makes a folder of them"
        )


def _heads(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(text.lstrip("\r\n").splitlines()[:1], delimiter=delimiter), [])
    except csv.Error:
        return []


def _csv_rows(text: str, delimiter: str, columns: Columns, source: Path) -> Iterator[Row]:
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "|" else csv.QUOTE_MINIMAL
    # Strict: else a quotation mark that opens a caption and is never closed would swallow the rows behind it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DatasetError(f"line {reader.line_num} of {show(source)}: {error}") from error
    heads = rows[0][1]
    chosen = choose(heads, columns, source)
    last = len(heads) - 1
    for number, row in rows[1:]:
        where = f"line {number} of {show(source)}"
        if len(row) > len(heads) and last in chosen.captions:
            row[last:] = [delimiter.join(row[last:])]
        if len(row) != len(heads):
            raise DatasetError(f"{where}: expected {len(heads)} columns as in the first line, found {len(row)}")
        image, captions, image_id, split = chosen.of([cell.strip() for cell in row])
        yield where, image, [_listed(cell, where) for cell in captions], image_id, split


def _listed(cell: str, where: str) -> Any:
    """Return what a cell of text stands for: a caption, or a json list of captions."""
    if not cell.startswith("["):
        return cell
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        if cell.startswith(("['", "[array(")):
            raise DatasetError(
                f"{where}: captions printed as a Python list; write them as json, or a row each"
            ) from None
        return cell
    return value if isinstance(value, list) and all(isinstance(text, str) for text in value) else cell


def _record_rows(records: Sequence[tuple[str, Any]], columns: Columns, source: Path) -> Iterator[Row]:
    for where, record in records:
        if not isinstance(record, Mapping):
            raise DatasetError(f"{where}: expected an object, found {found(record)}")
    heads = list(dict.fromkeys(key for _, record in records for key in record))
    chosen = choose(heads, columns, source)
    for where, record in records:
        yield where, *chosen.of([record.get(head) for head in heads])


def _gathered(rows: Iterable[Row], source: Path) -> list[Entry]:
    """Join the rows of each picture, in the order of their first ones."""
    pictures: dict[str, _Picture] = {}
    for where, image, captions, image_id, split in rows:
        if not isinstance(image, str):
            raise DatasetError(f"{where}: expected the name of a picture's file, found {found(image)}")
        picture = _Picture(where, _number(image_id), clean(split) if isinstance(split, str) and split else None)
        known = pictures.setdefault(inside(image, where), picture)
        if (known.image_id, known.split) != (picture.image_id, picture.split):
            raise DatasetError(f"{where}: {printable(image)} has another id or split than at {known.where}")
        known.captions += [text for cell in captions for text in captions_of(cell, where)]
    if not pictures:
        raise DatasetError(f"{show(source)} has no rows")
    _check_ids(pictures)
    return [
        Entry(path, tuple(picture.captions), picture.image_id, picture.split, _elsewhere(path))
        for path, picture in pictures.items()
    ]


def captions_of(cell: Any, where: str) -> list[str]:
    """Return the captions of a cell; an empty one (a float NaN by pandas) has none."""
    if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        return []
    texts = [cell] if isinstance(cell, str) else cell
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DatasetError(f"{where}: expected a caption or a list of captions, found {found(cell)}")
    return [clean(text) for text in texts]


def _number(cell: Any) -> int | None:
    """Return an id that is a whole number; other ids are of no use here."""
    if isinstance(cell, str) and cell.isascii() and cell.isdigit() and len(cell) < 20:  # noqa: PLR2004 (64 bits)
        return int(cell)
    return cell if isinstance(cell, int) and not isinstance(cell, bool) else None


def _check_ids(pictures: Mapping[str, _Picture]) -> None:
    owners: dict[int, _Picture] = {}
    for picture in pictures.values():
        if picture.image_id is not None and owners.setdefault(picture.image_id, picture) is not picture:
            raise DatasetError(f"{picture.where}: the id {picture.image_id} is that of another picture already")


def _elsewhere(path: str) -> tuple[str, ...]:
    """Return where else a picture may be: without its folders, or with the extension that a bare name lacks."""
    whole = PurePosixPath(path)
    names = [whole.name] if len(whole.parts) > 1 else []
    if whole.suffix.lower() not in IMAGE_SUFFIXES:
        names = [name + extension for name in (path, *names) for extension in _EXTENSIONS]
    return tuple(names)
