"""The columns of `samples.parquet`: records to Arrow tables and back.

Flat columns of plain types, so that pandas, DuckDB or a notebook read them without this package. Scores are
float64 columns under their own names, null where undefined. Importing this module imports pyarrow (a third of
a second), so reader and writer import it when they first need it.
"""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import CacheError
from .geometry import View
from .schema import Alternative, CaptionRow, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_GROUP_SIZES: Final = (256, 512, 1024, 2048)
_FEW_GROUPS: Final = 128

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_TEXTS: Final = pa.list_(pa.string())
_COLUMNS: Final = {
    "index": pa.int32(),
    "name": pa.string(),
    "path": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "crop_x0": pa.float64(),
    "crop_y0": pa.float64(),
    "crop_x1": pa.float64(),
    "crop_y1": pa.float64(),
    "rows": pa.int32(),
    "cols": pa.int32(),
    "input_width": pa.int32(),
    "input_height": pa.int32(),
    "caption": pa.string(),
    "references": _TEXTS,
    "token_ids": pa.list_(pa.int32()),
    "pieces": _TEXTS,
    "word_of_piece": pa.list_(pa.int32()),
    "words": _TEXTS,
    "logprobs": pa.list_(pa.float32()),
    "alternatives": pa.list_(pa.struct({"caption": pa.string(), "score": pa.float64()})),
}
_NEW: Final = frozenset({"alternatives"})  # older caches lack it
RESERVED: Final = frozenset(_COLUMNS)
"""Names that no score can have."""

_VIEW: Final = frozenset(field.name for field in fields(View))


def schema(score_names: Iterable[str]) -> pa.Schema:
    """Return the Arrow schema with these score columns behind the fixed ones."""
    return pa.schema(_COLUMNS | dict.fromkeys(score_names, pa.float64()))


def rows_a_group(count: int) -> int:
    """Return how many rows a row group has, the unit of reading, in a file of `count` rows.

    A row comes quickly from a small group; many groups cost time and memory when the file is opened, and time with each
    column that is read whole. So groups are small where few are enough (measured in docs/benchmarks.md).
    """
    return next((size for size in _GROUP_SIZES if size * _FEW_GROUPS >= count), _GROUP_SIZES[-1])


def to_table(rows: Sequence[CaptionRow], scores: Mapping[str, NDArray[np.float64]]) -> pa.Table:
    """Return one table of records and their scores.

    Args:
        rows: The records.
        scores: For each score its value [len(rows)]; NaN where undefined.
    """
    records = [_record(row) for row in rows]
    columns: dict[str, Any] = {name: [record[name] for record in records] for name in _COLUMNS}
    # from_pandas: NaN becomes null, which SQL's avg() skips
    columns |= {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in scores.items()}
    return pa.table(columns, schema(scores))


def to_sample(record: Mapping[str, Any], score_names: Sequence[str]) -> Sample:
    """Make a sample of one row of the table, given as plain Python values.

    Raises:
        ValueError, TypeError: A value cannot be what its column says.
    """
    return Sample(
        index=record["index"],
        name=record["name"],
        path=record["path"],
        view=View(
            width=record["width"],
            height=record["height"],
            box=(record["crop_x0"], record["crop_y0"], record["crop_x1"], record["crop_y1"]),
            rows=record["rows"],
            cols=record["cols"],
            input_width=record["input_width"],
            input_height=record["input_height"],
        ),
        caption=record["caption"],
        references=tuple(record["references"]),
        token_ids=tuple(record["token_ids"]),
        pieces=tuple(record["pieces"]),
        word_of_piece=tuple(record["word_of_piece"]),
        words=tuple(record["words"]),
        logprobs=tuple(record["logprobs"]),
        alternatives=tuple(map(_to_alternative, record.get("alternatives") or ())),
        scores={name: math.nan if record[name] is None else record[name] for name in score_names},
    )


def write(path: Path, tables: Iterable[pa.Table], score_names: Iterable[str]) -> None:
    """Write tables, each as a row group of its own, to a Parquet file with checksums on every page."""
    with pq.ParquetWriter(
        path,
        schema(score_names),
        compression="zstd",
        use_dictionary=False,  # captions hardly repeat, and the footer stays small
        write_statistics=["index", "name"],
        write_page_checksum=True,
    ) as writer:
        for table in tables:
            writer.write_table(table)


def open_file(
    path: Path, count: int, score_names: Iterable[str], footer: pq.FileMetaData | None = None
) -> pq.ParquetFile:
    """Open a Parquet file that should have these rows and columns.

    Args:
        path: The file.
        count: Number of rows.
        score_names: Columns of scores.
        footer: The file's, where it is known: a million rows have 10 ms of it.

    Raises:
        CacheError: It has others.
        pa.ArrowException, OSError: It cannot be read.
    """
    # Not memory-mapped: it gains nothing here, and a page that a network drive fails to deliver would kill
    # the process with a bus error, the terminal in raw mode, instead of raising.
    file = pq.ParquetFile(path, metadata=footer, page_checksum_verification=True)
    if file.metadata.num_rows != count:
        raise CacheError(f"{path.name} has {file.metadata.num_rows} rows, {count} expected")
    found = {field.name: field.type for field in file.schema_arrow}
    for field in schema(score_names):
        if field.name not in found and field.name not in _NEW:
            raise CacheError(f"{path.name} has no column {field.name!r}")
        if found.get(field.name, field.type) != field.type:
            raise CacheError(f"{path.name} has a column {field.name!r} of another type, {found[field.name]}")
    return file


def write_embeddings(path: Path, names: Sequence[str], embeddings: NDArray[np.float32]) -> None:
    """Write one row a picture: its name and its embedding, as float32, which every reader knows."""
    dim = embeddings.shape[1]
    table = pa.table(
        {
            "name": pa.array(names, pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(embeddings.reshape(-1)), dim),
        }
    )
    # The values were rounded to half precision: split into bytes, the zeros of the lower half compress away.
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=["name"],
        column_encoding={"embedding.list.element": "BYTE_STREAM_SPLIT"},
        write_page_checksum=True,
    )


def _record(row: CaptionRow) -> dict[str, Any]:
    """Return the row as values by column name, fit for UTF-8."""
    view = row.view
    record: dict[str, Any] = {name: getattr(view, name) for name in _VIEW - {"box"}}
    record |= dict(zip(("crop_x0", "crop_y0", "crop_x1", "crop_y1"), view.box, strict=True))
    names = [field.name for field in fields(CaptionRow) if field.name != "view"]
    return record | {name: _clean(getattr(row, name)) for name in names}


def _to_alternative(value: Any) -> Alternative:
    if not isinstance(value, dict) or not isinstance(value.get("caption"), str):
        raise TypeError("an alternative without a caption")
    score = value.get("score")
    return Alternative(value["caption"], math.nan if score is None else float(score))


def _clean(value: Any) -> Any:
    """Replace lone surrogates (an undecodable file name) by U+FFFD; Parquet holds UTF-8 only."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub("\ufffd", value)
    if isinstance(value, Alternative):
        return {"caption": _clean(value.caption), "score": value.score}
    return [_clean(entry) for entry in value] if isinstance(value, tuple) else value
