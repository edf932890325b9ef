"""Writes an evaluation cache: resumable after a kill -9 or a power cut, and finished all at once.

While a run goes on, its folder holds `work.sqlite` (the plan, captions, previews, embeddings) and
`attention.sqlite`. Both are SQLite files with a rollback journal, not a write-ahead log, which is unsafe on
network drives; the writer keeps `work.sqlite` locked, so that a second process is turned away. A picture
counts as captioned once its row in `work.sqlite` is committed, and its attention is committed before that:
what a crash leaves in between is written again. `finish` makes the files for readers, writes `manifest.json`
last, and drops `work.sqlite`.

To overwrite a finished cache, the new one grows in a hidden folder beside it and takes its place when it is
complete.
"""

from __future__ import annotations

import json
import operator
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from . import codec
from .errors import CacheError
from .files import replace_file, replacing, sync
from .geometry import View
from .schema import (
    ATTENTION_FILE,
    EMBEDDINGS_FILE,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST_FILE,
    PREVIEWS_DIR,
    SAMPLES_FILE,
    SCORE_NAME,
    WORK_FILE,
    AttentionShape,
    CaptionRow,
    Manifest,
    preview_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from .schema import Captioned, Score

_WORK_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE captions (idx INTEGER PRIMARY KEY, record TEXT NOT NULL, preview BLOB NOT NULL);
CREATE TABLE embeddings (idx INTEGER PRIMARY KEY, vector BLOB NOT NULL);
"""
# The mean comes before the weights, so that SQLite reads it without walking over them.
_ATTENTION_TABLES: Final = """
CREATE TABLE attention (idx INTEGER PRIMARY KEY, tokens INTEGER NOT NULL, layers INTEGER NOT NULL,
  heads INTEGER NOT NULL, positions INTEGER NOT NULL, mean BLOB NOT NULL, weights BLOB NOT NULL);
"""
_PAGE_SIZE: Final = 8192  # bytes; an attention blob is some hundred kilobytes
_SYNC_THREADS: Final = 8


class CacheWriter:
    """Writes one cache; a context manager. Leaving it before `finish` keeps the work for the next time.

    Not thread-safe: one thread uses a writer.
    """

    def __init__(
        self,
        folder: Path,
        plan: Mapping[str, Any],
        count: int,
        *,
        exact: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Create the folder, or resume an unfinished one.

        Args:
            folder: Where the cache will be. Its parents are made.
            plan: JSON-able; what identifies the run. An unfinished folder is resumed only with an equal plan.
            count: Number of pictures.
            exact: Keep attention in half precision instead of eight bits.
            overwrite: Replace a finished cache, or an unfinished one of another plan. The old one stays until
                the new one is complete. A folder that is no cache is never touched.

        Raises:
            CacheError: The folder holds something else, a finished cache, or an unfinished run of another
                plan; or another process is writing there; or it cannot be written.
        """
        if count < 1:
            raise CacheError(f"{folder}: a cache needs at least one picture")
        self._folder = folder
        self._count = count
        self._codec: codec.Codec = "f16" if exact else "u8-sqrt"
        self._plan = json.loads(json.dumps(plan, allow_nan=False))
        with _disk_errors(folder):
            self._work_folder = self._choose_folder(overwrite=overwrite)
            self._work_folder.mkdir(parents=True, exist_ok=True)
            self._work = _connect(self._work_folder / WORK_FILE, _WORK_TABLES)
            try:
                self._begin()
                self._attention = _connect(self._work_folder / ATTENTION_FILE, _ATTENTION_TABLES)
            except BaseException:
                self._work.close()
                raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self.close()

    def close(self) -> None:
        """Close the files; what was added stays."""
        self._work.close()
        self._attention.close()

    def captioned(self) -> frozenset[int]:
        """Return the indices of the pictures that have captions already."""
        return frozenset(index for (index,) in self._work.execute("SELECT idx FROM captions"))

    def add_captioned(self, rows: Sequence[Captioned]) -> None:
        """Keep captions with attention and previews; they are on the disk when this returns.

        Raises:
            ValueError: A record contradicts itself, or its attention has another shape than the others'.
            CacheError: A path leaves the dataset, or the disk refuses.
        """
        for row in rows:
            self._check_index(row.index)
            row.check()
            self._check_shape(row)
        records = [(row.index, _to_json(row), row.preview) for row in rows]
        with _disk_errors(self._work_folder):
            with self._attention:
                self._attention.executemany(
                    "INSERT OR REPLACE INTO attention VALUES (?, ?, ?, ?, ?, ?, ?)",
                    map(self._attention_row, rows),
                )
            with self._work:
                self._work.executemany("INSERT OR REPLACE INTO captions VALUES (?, ?, ?)", records)

    def embedded(self) -> frozenset[int]:
        """Return the indices of the pictures that have image embeddings already."""
        return frozenset(index for (index,) in self._work.execute("SELECT idx FROM embeddings"))

    def add_embeddings(self, rows: Sequence[tuple[int, NDArray[np.floating[Any]]]]) -> None:
        """Keep image embeddings [dim] of unit norm, in half precision; on the disk when this returns.

        Raises:
            ValueError: An embedding has another length than the others.
            CacheError: The disk refuses.
        """
        blobs = []
        for index, vector in rows:
            self._check_index(index)
            self._agree("dim", list(vector.shape))
            blobs.append((operator.index(index), vector.astype("<f2").tobytes()))
        with _disk_errors(self._work_folder), self._work:
            self._work.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", blobs)

    def embeddings(self) -> NDArray[np.float32]:
        """Return all embeddings [count, dim] in the order of the pictures.

        Raises:
            CacheError: Some pictures have none yet.
        """
        self._need_all("embeddings", "image embedding")
        blobs = self._work.execute("SELECT vector FROM embeddings ORDER BY idx")
        joined = b"".join(blob for (blob,) in blobs)
        return np.frombuffer(joined, "<f2").reshape(self._count, -1).astype(np.float32)

    def texts(self) -> Iterator[CaptionRow]:
        """Yield what was captioned, without attention and previews, in the order of the pictures."""
        for (record,) in self._work.execute("SELECT record FROM captions ORDER BY idx"):
            yield _from_json(record)

    def finish(
        self,
        scores: Mapping[str, NDArray[np.floating[Any]]],
        descriptions: Sequence[Score],
        corpus: Mapping[str, float],
        versions: Mapping[str, str],
        notes: Sequence[str] = (),
    ) -> Path:
        """Make the finished cache and close the writer. A crash on the way leaves it resumable.

        Args:
            scores: For each score its value [count]; NaN where undefined.
            descriptions: What each score means, in display order; the same names as `scores`.
            corpus: Scores of the whole set.
            versions: Versions of the packages that took part.
            notes: Remarks for the reader.

        Returns:
            The folder of the cache.

        Raises:
            ValueError: Scores and descriptions do not fit each other or the pictures.
            CacheError: Pictures lack captions or embeddings, or the disk refuses.
        """
        from . import table  # noqa: PLC0415 (pyarrow)

        columns = {score.name: np.asarray(scores.get(score.name), np.float64) for score in descriptions}
        _check_scores(columns, scores, self._count, table.RESERVED)
        self._need_all("captions", "caption")
        folder = self._work_folder
        with _disk_errors(folder):
            self._export_previews()
            with replacing(folder / SAMPLES_FILE) as path:
                table.write(path, self._tables(columns), columns)
            files = [SAMPLES_FILE, ATTENTION_FILE]
            if self.embedded():
                with replacing(folder / EMBEDDINGS_FILE) as path:
                    table.write_embeddings(path, [row.name for row in self.texts()], self.embeddings())
                files.append(EMBEDDINGS_FILE)
            attention = AttentionShape(**self._meta("attention"), codec=self._codec)
            self._attention.close()
            manifest = Manifest(
                format_version=FORMAT_VERSION,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                plan=self._plan,
                count=self._count,
                scores=tuple(descriptions),
                corpus={name: float(value) for name, value in corpus.items()},
                versions=versions,
                attention=attention,
                files={name: (folder / name).stat().st_size for name in files},
                notes=tuple(notes),
            )
            replace_file(folder / MANIFEST_FILE, manifest.to_json().encode())
            self._work.close()
            if folder != self._folder:
                _swap(folder, self._folder)
            (self._folder / WORK_FILE).unlink()
        return self._folder

    def _choose_folder(self, *, overwrite: bool) -> Path:
        """Return where to work: the folder itself, or one beside it while a good one must stay."""
        folder, beside = self._folder, _beside(self._folder, "new")
        if folder.exists() and not folder.is_dir():
            raise CacheError(f"{folder} is a file; give a folder for the cache")
        _undo_broken_swap(folder)
        if not folder.exists() or not any(folder.iterdir()):
            return folder
        finished, unfinished = _is_finished(folder), (folder / WORK_FILE).exists()
        if not finished and not unfinished:
            raise CacheError(f"{folder} is not empty and holds no cache; give another folder")
        if finished and not overwrite:
            raise CacheError(
                f"{folder} holds a finished cache; open it with hw3-browse, or replace it with --overwrite"
            )
        difference = None if finished else self._difference(folder)
        if not finished and difference is None:
            return folder
        if not overwrite:
            raise CacheError(
                f"{folder} holds an unfinished run of another plan ({difference}); "
                "give another folder, or replace it with --overwrite"
            )
        if beside.exists() and (not (beside / WORK_FILE).exists() or self._difference(beside) is not None):
            shutil.rmtree(beside)
        return beside

    def _identity(self) -> dict[str, Any]:
        """Return what must be equal for a run to go on."""
        return {
            "plan": self._plan,
            "count": self._count,
            "attention codec": self._codec,
            "format version": FORMAT_VERSION,
        }

    def _difference(self, folder: Path) -> str | None:
        """Return how the unfinished run in the folder differs from this one; None where it does not."""
        with closing(_connect(folder / WORK_FILE, _WORK_TABLES)) as work:
            row = work.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
        # A run that was killed before it recorded what it is has done nothing yet.
        return None if row is None else _first_difference(json.loads(row[0]), self._identity())

    def _begin(self) -> None:
        """Record what this run is, and so take the lock."""
        with self._work:
            self._set_meta("identity", self._identity())
        for stale in self._work_folder.glob(".*.tmp"):  # of a finish that was killed
            stale.unlink()
        sync(self._work_folder)

    def _meta(self, key: str) -> Any:
        row = self._work.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _set_meta(self, key: str, value: object) -> None:
        self._work.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def _agree(self, key: str, value: object) -> None:
        """Record a property that all pictures share, or check it."""
        known = self._meta(key)
        if known is None:
            with _disk_errors(self._work_folder), self._work:
                self._set_meta(key, value)
        elif known != value:
            raise ValueError(f"{key}: expected {known} as for the pictures before, found {value}")

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self._count:
            raise ValueError(f"picture {index} is not among the {self._count} of this run")

    def _check_shape(self, row: Captioned) -> None:
        _, layers, heads, _ = row.attention.shape
        view = row.view
        self._agree(
            "attention",
            {"layers": layers, "heads": heads, "prefix": row.prefix, "rows": view.rows, "cols": view.cols},
        )

    def _need_all(self, table: str, what: str) -> None:
        (done,) = self._work.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 (our own words)
        if done != self._count:
            raise CacheError(f"{self._work_folder}: {self._count - done} of {self._count} pictures have no {what} yet")

    def _attention_row(self, row: Captioned) -> tuple[Any, ...]:
        weights = row.attention
        return (
            row.index,
            *weights.shape,
            codec.encode_mean(weights),
            codec.encode(weights, self._codec),
        )

    def _export_previews(self) -> None:
        """Write the previews as files. Syncing many small files is waiting, so threads share it."""
        folder = self._work_folder
        shutil.rmtree(folder / PREVIEWS_DIR, ignore_errors=True)  # of a finish that was killed
        paths = []
        for index, preview in self._work.execute("SELECT idx, preview FROM captions ORDER BY idx"):
            path = folder / preview_file(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(preview)
            paths.append(path)
        with ThreadPoolExecutor(_SYNC_THREADS) as pool:
            list(pool.map(sync, paths))
        for parent in {path.parent for path in paths} | {folder / PREVIEWS_DIR}:
            sync(parent)

    def _tables(self, columns: Mapping[str, NDArray[np.float64]]) -> Iterator[Any]:
        """Yield the table of samples, a row group at a time."""
        from . import table  # noqa: PLC0415

        rows: list[CaptionRow] = []
        start = 0
        for row in self.texts():
            rows.append(row)
            if len(rows) == table.ROWS_A_GROUP or row.index == self._count - 1:
                stop = start + len(rows)
                yield table.to_table(rows, {name: values[start:stop] for name, values in columns.items()})
                rows, start = [], stop


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk or SQLite raise into one line that names the folder."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise CacheError(f"{folder}: another process is writing this cache; wait for it, or end it") from error
        raise CacheError(f"{folder}: cannot write the cache ({error})") from error
    except sqlite3.DatabaseError as error:
        raise CacheError(f"{folder}: the unfinished cache is damaged ({error}); delete it and start again") from error
    except OSError as error:
        raise CacheError(f"{folder}: cannot write the cache ({error.strerror or error})") from error


def _connect(path: Path, tables: str) -> sqlite3.Connection:
    """Open a working file for this process alone, made on first use."""
    connection = sqlite3.connect(path, timeout=1)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        with connection:
            connection.execute("BEGIN EXCLUSIVE")
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                for statement in tables.strip().rstrip(";").split(";"):
                    connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _to_json(row: CaptionRow) -> str:
    record = {field.name: getattr(row, field.name) for field in fields(CaptionRow)}
    return json.dumps(record | {"view": asdict(row.view)})


def _from_json(text: str) -> CaptionRow:
    loaded: dict[str, Any] = json.loads(text)
    view = loaded.pop("view")
    record: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.items()}
    return CaptionRow(view=View(**(view | {"box": tuple(view["box"])})), **record)


def _check_scores(
    columns: Mapping[str, NDArray[np.float64]],
    scores: Mapping[str, object],
    count: int,
    reserved: frozenset[str],
) -> None:
    if columns.keys() != scores.keys():
        raise ValueError(f"scores {sorted(scores)} are described as {sorted(columns)}")
    for name, values in columns.items():
        if values.shape != (count,):
            raise ValueError(f"score {name!r}: expected shape ({count},), found {values.shape}")
        if not SCORE_NAME.fullmatch(name) or name in reserved:
            raise ValueError(f"{name!r} cannot be the name of a score")


def _first_difference(old: object, new: object, where: str = "") -> str | None:
    """Return where two JSON values first differ, with both values; None where they are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            path = f"{where}.{key}".lstrip(".")
            if key not in old or key not in new:
                return f"{path}: only in {'this run' if key in new else 'the folder'}"
            if (found := _first_difference(old[key], new[key], path)) is not None:
                return found
        return None
    return None if old == new else f"{where}: {_short(old)} in the folder, {_short(new)} in this run"


def _short(value: object, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 3] + "..."


def _is_finished(folder: Path) -> bool:
    """Tell whether the folder holds a cache of whatever version; other programs have manifests too."""
    try:
        content = json.loads((folder / MANIFEST_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def _beside(folder: Path, what: str) -> Path:
    """Return a hidden sibling: on the same file system, so that a rename can put it in place."""
    whole = folder.absolute()
    return whole.with_name(f".{whole.name}.{what}")


def _swap(new: Path, folder: Path) -> None:
    """Put the complete new cache in the place of the old one; at every moment one of them is whole."""
    old = _beside(folder, "old")
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    new.rename(folder)
    sync(folder.absolute().parent)
    shutil.rmtree(old)


def _undo_broken_swap(folder: Path) -> None:
    """Bring the old cache back if a crash fell between the two renames of `_swap`."""
    old = _beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
