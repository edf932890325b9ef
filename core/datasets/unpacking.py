"""Parquet tables that hold the pictures themselves, as Hugging Face datasets do, unpacked into a folder once.

Contract: the folder gets ``images/`` and ``captions.jsonl``, a dataset like any other (`open_dataset`). The latter is
written last, so a folder without it is unfinished, and the same call does it again. Pictures keep their bytes; they are
looked at, not decoded. Rows with the same picture are one picture with the captions of all.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from PIL import Image

from ...cache.errors import DatasetError
from ...cache.files import replace_file
from ...cache.text import printable
from ..progress import Progress
from .columns import IMAGES, Columns, choose
from .entries import UNREADABLE, clean
from .pictures import FORMATS, MAX_PIXELS
from .table import captions_of
from .wording import found, show

_AT_ONCE: Final = 64  # rows of pictures in memory
_EXTENSIONS: Final = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "BMP": ".bmp"}
_SPLIT_OF_NAME: Final = re.compile(r"train|val(id(ation)?)?|dev|test")
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a table.

    Attributes:
        where: Where it stands, for errors.
        picture: The cell with the picture: bytes, or an object with ``bytes`` and ``path``.
        name: The picture's name or path, None where no column has it.
        captions: Its captions.
        split: The split that it belongs to, None where that is not known.
    """

    where: str
    picture: Any
    name: Any
    captions: list[str]
    split: str | None


class _NoPictureError(DatasetError):
    """What a row has is no picture that can be used."""


def unpack(tables: Sequence[Path], folder: Path, columns: Columns, *, skip_broken: bool = False) -> list[str]:
    """Write the pictures and captions of tables into a folder.

    A row without a split belongs to the one that its table's name begins with (``train-00000-of-00005.parquet``).

    Args:
        tables: Parquet files.
        folder: Where ``images/`` and ``captions.jsonl`` will be.
        columns: Which columns have pictures and captions.
        skip_broken: Leave out what is no picture, in place of an error.

    Returns:
        What was left out, a sentence each.

    Raises:
        DatasetError: A table cannot be read, a row does not fit, or the folder holds a dataset already.
    """
    listed = folder / "captions.jsonl"
    if listed.exists():
        raise DatasetError(f"{show(listed)} is there already: remove it, or give another folder")
    left_out: list[str] = []
    total = sum(_count(table) for table in tables)
    try:
        pictures = _Pictures(folder / "images")
        with Progress("pictures", total, unit="rows") as progress:
            for row in (row for table in tables for row in _rows(table, columns)):
                try:
                    pictures.add(row)
                except _NoPictureError as error:
                    if not skip_broken:
                        raise
                    left_out.append(str(error))
                progress.update(1)
        replace_file(listed, pictures.listed())
    except OSError as error:
        raise DatasetError(f"cannot write below {show(folder)}: {error.strerror or error}") from error
    return left_out


class _Pictures:
    """A folder of pictures that grows, and what is known of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records: dict[str, dict[str, Any]] = {}  # by the hash of the picture's bytes
        self._stems: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, row: _Row) -> None:
        """Write a row's picture, unless it is there, and keep its captions.

        Raises:
            _NoPictureError: It has none.
        """
        content: Any = row.picture.get("bytes") if isinstance(row.picture, dict) else row.picture
        extension = _extension(content, row.where)
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._records:
            name = self._free(row.name) + extension
            (self._folder / name).write_bytes(content)
            split = {} if row.split is None else {"split": row.split}
            self._records[digest] = {"file_name": name, "captions": [], **split}
        self._records[digest]["captions"] += row.captions

    def listed(self) -> bytes:
        """The json lines of all pictures."""
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self._records.values()).encode()

    def _free(self, wanted: Any) -> str:
        """A name that no picture has, with or without its extension; numbered where the wanted one is taken or none."""
        stem = PurePosixPath(wanted.replace("\\", "/")).stem if isinstance(wanted, str) else ""
        stem = UNREADABLE.sub("", clean(stem)).strip(". ")[:_LONGEST_NAME]
        number = f"{len(self._records):08}"
        if not stem or stem in self._stems:
            stem = f"{stem}-{number}" if stem else number
        self._stems.add(stem)
        return stem


def _extension(content: Any, where: str) -> str:
    """The extension of what a picture is.

    Raises:
        _NoPictureError: It is none.
    """
    if not isinstance(content, bytes):
        raise _NoPictureError(f"{where}: expected a picture's bytes, found {found(content)}")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            size, kind = image.width * image.height, image.format or ""
    except Exception as error:  # Pillow raises almost anything on damaged bytes
        raise _NoPictureError(f"{where}: the picture is no PNG, JPEG, WebP or BMP, or is damaged") from error
    if size > MAX_PIXELS:
        raise _NoPictureError(f"{where}: the picture has {size:,} pixels, over the limit of {MAX_PIXELS:,}")
    return _EXTENSIONS[kind]


def _count(table: Path) -> int:
    with _opened(table) as file:
        return int(file.metadata.num_rows)


def _opened(table: Path) -> Any:
    """Open a Parquet file.

    Raises:
        DatasetError: It is none.
    """
    import pyarrow as pa  # noqa: PLC0415 (a third of a second)
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.ParquetFile(table)
    except FileNotFoundError as error:
        raise DatasetError(f"{show(table)} does not exist") from error
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{show(table)} is no readable Parquet table: {printable(str(error))[:200]}") from error


def _rows(table: Path, columns: Columns) -> Iterator[_Row]:
    import pyarrow as pa  # noqa: PLC0415

    named = _SPLIT_OF_NAME.match(table.name)
    number = 0
    with _opened(table) as file:
        heads = file.schema_arrow.names
        image = columns.image or _with_pictures(file.schema_arrow, table)
        chosen = choose(heads, Columns(image, columns.caption), table)
        name = next((head for head in heads if head.casefold() in IMAGES and head != image), None)
        places = [
            place for place in (chosen.image, *chosen.captions, chosen.image_id, chosen.split) if place is not None
        ]
        wanted = [*(heads[place] for place in places), *([name] if name else [])]
        try:
            for batch in file.iter_batches(_AT_ONCE, columns=wanted):
                for cells in batch.to_pylist():
                    number += 1
                    where = f"row {number} of {show(table)}"
                    picture, texts, _, split = chosen.of({place: cells[heads[place]] for place in places})
                    path = picture.get("path") if isinstance(picture, dict) else None
                    captions = [caption for text in texts for caption in captions_of(text, where)]
                    own = clean(split) if isinstance(split, str) and split else named and named[0]
                    yield _Row(where, picture, cells[name] if name else path, captions, own)
        except pa.ArrowException as error:
            raise DatasetError(
                f"{show(table)}: cannot be read behind row {number}: {printable(str(error))[:200]}"
            ) from error


def _with_pictures(schema: Any, table: Path) -> str:
    """The column that has pictures: bytes, or objects with bytes.

    Raises:
        DatasetError: There is none, or more than one.
    """
    fields = [schema.field(place) for place in range(len(schema.names))]
    heads = [
        field.name
        for field in fields
        if "binary" in str(field.type).split("<")[0] or str(field.type).startswith("struct<bytes: ")
    ]
    if len(heads) != 1:
        which = ", ".join(printable(head) for head in heads) or "none"
        raise DatasetError(f"{show(table)}: expected a column with pictures in it, found {which}: --columns image=HEAD")
    return str(heads[0])
