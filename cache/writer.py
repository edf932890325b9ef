"""Writes an evaluation cache: resumable after a kill -9 or a power cut, and finished all at once.

While a run goes on, its folder holds `work.sqlite` (the plan, captions, previews, embeddings) and
`attention.sqlite`; `work` says how a second process is turned away and how a browser reads them meanwhile. A picture
counts as captioned once its row in `work.sqlite` is committed, and its attention is committed before that:
what a crash leaves in between is written again. `finish` makes the files for readers, writes `manifest.json`
last, and drops `work.sqlite`.

To overwrite a finished cache, the new one grows in a hidden folder beside it and takes its place when it is
complete.
"""

from __future__ import annotations

import json
import operator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np

from . import codec, folders, succession, work
from .errors import CacheError
from .files import replace_file, replacing, sync
from .schema import (
    ATTENTION_FILE,
    EMBEDDINGS_FILE,
    MANIFEST_FILE,
    SAMPLES_FILE,
    SCORE_NAME,
    WORK_FILE,
    AttentionShape,
    CaptionRow,
    Manifest,
    format_version,
)
from .work import disk_errors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from .schema import Captioned, Score
    from .shards import Rows

_INSERT_ATTENTION: Final = "INSERT OR REPLACE INTO attention VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_CAPTION: Final = "INSERT OR REPLACE INTO captions VALUES (?, ?, ?)"
_INSERT_ARRIVAL: Final = "INSERT INTO arrivals (idx) VALUES (?)"
_INSERT_EMBEDDING: Final = "INSERT OR REPLACE INTO embeddings VALUES (?, ?)"


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
        self._codec = work.codec_of(exact=exact)
        self._plan = json.loads(json.dumps(plan, allow_nan=False))
        self._identity = work.identity_of(self._plan, count, exact=exact)
        self._open = ExitStack()
        with ExitStack() as undo, disk_errors(folder):
            undo.callback(self._open.close)
            self._work_folder = self._choose_folder(overwrite=overwrite)
            self._work = self._connect(WORK_FILE, work.WORK_TABLES)
            self._attention = self._connect(ATTENTION_FILE, work.ATTENTION_TABLES)
            self._begin()
            undo.pop_all()

    @property
    def working_folder(self) -> Path:
        """Where the run grows: the cache's folder, or a hidden one beside it while another cache stands there."""
        return self._work_folder

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
        self._open.close()

    def captioned(self) -> frozenset[int]:
        """Return the indices of the pictures that have captions already."""
        return frozenset(index for (index,) in self._work.execute("SELECT idx FROM captions"))

    def add_captioned(self, rows: Sequence[Captioned]) -> None:
        """Keep captions with attention and previews; they are on the disk when this returns.

        Raises:
            ValueError: A record contradicts itself, or its attention has another shape than the others', or only one
                of both has any.
            CacheError: A path leaves the dataset, or the disk refuses.
        """
        for row in rows:
            self._check_index(row.index)
            row.check()
            self._check_shape(row)
        # All packing comes before the transactions: readers wait for those.
        attention = [self._attention_row(row.index, row.attention) for row in rows if row.attention is not None]
        records = [(row.index, work.to_json(row), row.preview) for row in rows]
        with disk_errors(self._work_folder):
            with self._attention:
                self._attention.executemany(_INSERT_ATTENTION, attention)
            with self._work:
                self._work.executemany(_INSERT_CAPTION, records)
                self._work.executemany(_INSERT_ARRIVAL, [(row.index,) for row in rows])

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
        with disk_errors(self._work_folder), self._work:
            self._work.executemany(_INSERT_EMBEDDING, blobs)

    def adopt(self, rows: Rows) -> None:
        """Keep pictures that another writer of the same run has packed; they are on the disk when this returns.

        Raises:
            ValueError: Their attention or embeddings have another shape than the others'.
            CacheError: The disk refuses.
        """
        for key, value in rows.shared.items():
            self._agree(key, value)
        with disk_errors(self._work_folder):
            with self._attention:
                self._attention.executemany(_INSERT_ATTENTION, rows.attention)
            with self._work:
                self._work.executemany(_INSERT_CAPTION, rows.captions)
                self._work.executemany(_INSERT_EMBEDDING, rows.embeddings)
                self._work.executemany(_INSERT_ARRIVAL, [(index,) for index, *_ in rows.captions])

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
            yield work.from_json(record)

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
        with disk_errors(folder):
            previews = self._work.execute("SELECT idx, preview FROM captions ORDER BY idx")
            folders.write_previews(folder, previews)
            with replacing(folder / SAMPLES_FILE) as path:
                table.write(path, self._tables(columns), columns)
            files = [SAMPLES_FILE]
            if self.embedded():
                with replacing(folder / EMBEDDINGS_FILE) as path:
                    table.write_embeddings(path, [row.name for row in self.texts()], self.embeddings())
                files.append(EMBEDDINGS_FILE)
            shape = work.read_meta(self._work, "attention")
            attention = AttentionShape(**shape, codec=self._codec) if shape else None
            files += [ATTENTION_FILE] if attention else []
            self._attention.close()
            manifest = Manifest(
                format_version=format_version(attention),
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
                succession.swap(self._folder)
            (self._folder / WORK_FILE).unlink()
            (self._folder / work.LOCK_FILE).unlink()
            if attention is None:
                (self._folder / ATTENTION_FILE).unlink()
        self.close()
        return self._folder

    def _choose_folder(self, *, overwrite: bool) -> Path:
        """Return where to work, locked: the folder itself, or one beside it while another cache must stay."""
        folder = self._folder
        if folder.exists() and not folder.is_dir():
            raise CacheError(f"{folder} is a file; give a folder for the cache")
        succession.undo_broken_swap(folder)
        if _state(folder) != "finished":
            self._lock(folder)
        state = _state(folder)  # again: who held the lock may have finished in between
        if state == "empty":
            return folder
        if state == "unfinished":
            difference = work.difference(folder, self._identity)
            if difference is None:
                return folder
            found = f"an unfinished run of another plan ({difference}); give another folder,"
        else:
            found = "a finished cache; open it with hw3-browse,"
        if not overwrite:
            raise CacheError(f"{folder} holds {found} or replace it with --overwrite")
        beside = succession.successor(folder)
        self._lock(beside)
        if not (beside / WORK_FILE).exists() or work.difference(beside, self._identity) is not None:
            succession.clear(beside)
        return beside

    def _lock(self, folder: Path) -> None:
        """Keep other writers out of a folder, made if need be, until this one is closed."""
        folder.mkdir(parents=True, exist_ok=True)
        self._open.callback(work.lock(folder).close)

    def _connect(self, name: str, tables: str) -> sqlite3.Connection:
        """Open a working file until this writer is closed."""
        connection = work.open_to_write(self._work_folder / name, tables)
        self._open.callback(connection.close)
        return connection

    def _begin(self) -> None:
        """Record what this run is, and clean up behind one that was killed."""
        work.number_arrivals(self._work)
        with self._work:
            self._set_meta("identity", self._identity)
        for stale in self._work_folder.glob(".*.tmp"):  # of a finish that was killed
            stale.unlink()
        sync(self._work_folder)

    def _set_meta(self, key: str, value: object) -> None:
        self._work.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def _agree(self, key: str, value: object) -> None:
        """Record a property that all pictures share, or check it."""
        known = work.read_meta(self._work, key)
        if known is None:
            with disk_errors(self._work_folder), self._work:
                self._set_meta(key, value)
        elif known != value:
            raise ValueError(f"{key}: expected {known} as for the pictures before, found {value}")

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self._count:
            raise ValueError(f"picture {index} is not among the {self._count} of this run")

    def _check_shape(self, row: Captioned) -> None:
        shape = {}  # no attention
        if row.attention is not None:
            _, layers, heads, _ = row.attention.shape
            view = row.view
            shape = {"layers": layers, "heads": heads, "prefix": row.prefix, "rows": view.rows, "cols": view.cols}
        self._agree("attention", shape)

    def _need_all(self, table: str, what: str) -> None:
        (done,) = self._work.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 (our own words)
        if done != self._count:
            raise CacheError(f"{self._work_folder}: {self._count - done} of {self._count} pictures have no {what} yet")

    def _attention_row(self, index: int, weights: NDArray[np.floating[Any]]) -> tuple[Any, ...]:
        return (index, *weights.shape, codec.encode_mean(weights), codec.encode(weights, self._codec))

    def _tables(self, columns: Mapping[str, NDArray[np.float64]]) -> Iterator[Any]:
        """Yield the table of samples, a row group at a time."""
        from . import table  # noqa: PLC0415

        size = table.rows_a_group(self._count)
        rows: list[CaptionRow] = []
        start = 0
        for row in self.texts():
            rows.append(row)
            if len(rows) == size or row.index == self._count - 1:
                stop = start + len(rows)
                yield table.to_table(rows, {name: values[start:stop] for name, values in columns.items()})
                rows, start = [], stop


def _state(folder: Path) -> Literal["empty", "unfinished", "finished"]:
    """Return what a folder, which need not exist, is to a writer.

    Raises:
        CacheError: It holds something else.
    """
    if succession.is_finished(folder):
        return "finished"
    if (folder / WORK_FILE).exists():
        return "unfinished"
    if folder.exists() and any(path.name != work.LOCK_FILE for path in folder.iterdir()):
        raise CacheError(f"{folder} is not empty and holds no cache; give another folder")
    return "empty"


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
