"""A run as one flat table for other programs: CSV, JSON lines or Parquet, written in pieces however long it is.

The columns are those of the run's `samples.parquet` (`docs/cache-format.md`, `docs/zeroshot-format.md`) and behind them
what is kept elsewhere: what people judged and noted, of a zero-shot run the names that stand for the numbers.

Importing this module imports pyarrow.
"""

from __future__ import annotations

import csv
import json
import math
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..cache import table
from ..cache.errors import CacheDamaged, CacheError
from ..cache.judged import judged
from ..cache.live import LiveCache
from ..cache.reader import Cache
from ..cache.schema import SAMPLES_FILE
from ..cache.text import printable
from ..cache.zeroshot import ByPrompt, ZeroShotRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

    from numpy.typing import NDArray

    from ..cache.judgements import Judgement

Run = Cache | LiveCache | ZeroShotRun

_BATCH: Final = 2048  # rows
_JUDGED: Final = pa.schema(
    {
        "reasonable": pa.bool_(),
        "fits": pa.list_(pa.bool_()),
        "note": pa.string(),
        "tags": pa.list_(pa.string()),
    }
)


def tables(run: Run, mask: NDArray[np.bool_] | None = None) -> Iterator[pa.Table]:
    """Yield a run in pieces of some thousand rows, all of one schema; at least one piece, be it empty.

    Args:
        run: An open run.
        mask: Which pictures [count]; None is all.

    Raises:
        CacheError: The run cannot be read.
        JudgementsError: The file of judgements cannot be used.
    """
    start = 0
    said = judged(ByPrompt(run) if isinstance(run, ZeroShotRun) else run)
    for piece in _pieces(run):
        stop = start + len(piece)
        if isinstance(run, ZeroShotRun):
            whole = _with_notes(_with_names(piece, run, start), said)
        else:
            whole = _with_judgements(piece, said)
        yield whole if mask is None else whole.filter(pa.array(mask[start:stop]))
        start = stop


def write_csv(stream: TextIO, pieces: Iterator[pa.Table]) -> None:
    """Write CSV, with a head; texts are made one safe line each, lists are JSON.

    Args:
        stream: Opened with `newline=""`.
        pieces: Of `tables`.
    """
    writer = csv.writer(stream)
    for number, piece in enumerate(pieces):
        if not number:
            writer.writerow(piece.column_names)
        for row in piece.to_pylist():
            writer.writerow(map(_cell, row.values()))


def write_jsonl(stream: TextIO, pieces: Iterator[pa.Table]) -> None:
    """Write a JSON object a line, in ASCII; what is undefined is null."""
    for piece in pieces:
        for row in piece.to_pylist():
            stream.write(json.dumps(_defined(row), allow_nan=False) + "\n")


def write_parquet(file: Path, pieces: Iterator[pa.Table]) -> None:
    """Write Parquet; texts and lists stay what they are."""
    first = next(pieces)
    with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def _pieces(run: Run) -> Iterator[pa.Table]:
    """Yield the rows that a run has on disk."""
    if isinstance(run, LiveCache):
        yield from _of_live(run)
        return
    path = run.folder / SAMPLES_FILE
    with _errors(path), closing(_opened(run, path)) as file:
        empty = file.schema_arrow.empty_table()
        batches = file.iter_batches(_BATCH, use_threads=False)
        yield from (pa.Table.from_batches([batch]) for batch in batches) if len(run) else [empty]


def _opened(run: Cache | ZeroShotRun, path: Path) -> pq.ParquetFile:
    if isinstance(run, Cache):
        return table.open_file(path, len(run), run.score_names)
    return pq.ParquetFile(path, page_checksum_verification=True)


def _of_live(run: LiveCache) -> Iterator[pa.Table]:
    """Yield the rows of a run that goes on, as they are now; scores that come at its end are missing."""
    count = len(run)
    columns = {name: run.scores(name)[:count] for name in run.score_names}
    for start in range(0, count, _BATCH):
        rows = [run.sample(index) for index in range(start, min(start + _BATCH, count))]
        yield table.to_table(rows, {name: values[start : start + len(rows)] for name, values in columns.items()})


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Turn what Arrow raises into one line that names the file."""
    try:
        yield
    except CacheError as error:
        raise CacheDamaged(f"{path.parent}: {error}") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CacheDamaged(f"{path.parent}: {path.name} cannot be read ({reason})") from error


def _with_judgements(piece: pa.Table, said: Mapping[str, Judgement]) -> pa.Table:
    """Add what people judged; null where nobody has."""
    rows = [said.get(path) for path in piece.column("path").to_pylist()]
    counts = [len(words) for words in piece.column("words").to_pylist()]
    columns: dict[str, list[Any]] = {
        "reasonable": [one and one.reasonable for one in rows],
        "fits": [
            [one.fits.get(word) for word in range(count)] if one and one.fits else None
            for one, count in zip(rows, counts, strict=True)
        ],
    }
    columns |= _notes(piece, said)
    return _appended(piece, columns)


def _with_notes(piece: pa.Table, said: Mapping[str, Judgement]) -> pa.Table:
    """Add notes and tags; null where there are none."""
    return _appended(piece, _notes(piece, said))


def _notes(piece: pa.Table, said: Mapping[str, Judgement]) -> dict[str, list[Any]]:
    rows = [said.get(path) for path in piece.column("path").to_pylist()]
    return {
        "note": [one.note if one and one.note else None for one in rows],
        "tags": [sorted(one.tags) if one and one.tags else None for one in rows],
    }


def _appended(piece: pa.Table, columns: Mapping[str, list[Any]]) -> pa.Table:
    for name, values in columns.items():
        piece = piece.append_column(name, pa.array(values, _JUDGED.field(name).type))
    return piece


def _with_names(piece: pa.Table, run: ZeroShotRun, start: int) -> pa.Table:
    """Add the names of the true and of the most probable classes, and whether they are the same."""
    rows = slice(start, start + len(piece))
    truth = run.true_labels()[rows].tolist()
    piece = piece.append_column("label_name", pa.array([_label(run, label) for label in truth], pa.string()))
    for prompt in range(len(run.prompts)):
        guesses = run.predicted(prompt)[rows].tolist()
        names = pa.array([_label(run, label) for label in guesses], pa.string())
        right = [None if label < 0 else label == guess for label, guess in zip(truth, guesses, strict=True)]
        piece = piece.append_column(f"p{prompt}_name", names)
        piece = piece.append_column(f"p{prompt}_correct", pa.array(right, pa.bool_()))
    return piece


def _label(run: ZeroShotRun, label: int) -> str | None:
    return None if label < 0 else run.labels[label]


def _cell(value: Any) -> Any:
    """Return a value as CSV has it: nothing where undefined, lists as JSON, texts safe for one line of a terminal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = json.dumps(_defined(value), allow_nan=False, ensure_ascii=False)
    return printable(value) if isinstance(value, str) else _defined(value)


def _defined(value: Any) -> Any:
    """Return a value with None for numbers that are none."""
    if isinstance(value, dict):
        return {key: _defined(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_defined(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
