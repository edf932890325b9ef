"""Reads the cache of a run that goes on, or was killed: the pictures captioned so far, as if they were a cache.

`open_cache` opens whatever there is, `LiveCache` an unfinished run. `work` says how reader and writer share the files.
"""

from __future__ import annotations

import operator
import sqlite3
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from threading import Lock
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from . import codec, work
from .errors import CacheError, CacheNotFound, CacheUnfinished, UsageError
from .originals import original_file
from .reader import Cache
from .schema import ATTENTION_FILE, MANIFEST_FILE, WORK_FILE
from .succession import place_of, successor
from .unfinished import LOGPROB, busy, only, read_manifest, reading_errors, to_references, to_row, to_sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa
    from numpy.typing import NDArray

    from .codec import Attention
    from .live_rows import Row
    from .schema import Manifest, Sample

_NEWS: Final = """
SELECT seq, record FROM arrivals CROSS JOIN captions USING (idx) WHERE seq > ? ORDER BY seq LIMIT ?
"""
_ATTENTION: Final = "SELECT tokens, layers, heads, positions, weights FROM attention WHERE idx = ?"
# A query of so many rows takes some milliseconds, for which a writer may have to wait.
_ROWS_A_QUERY: Final = 500
_ROWS_A_REFRESH: Final = 20_000


def open_cache(folder: Path) -> Cache | LiveCache:
    """Open the finished cache of a folder where there is one, else the run that is being written, or was killed.

    While a finished cache is being overwritten, it is the one that opens; its successor opens under its own name,
    `.RUN.new`, and under `RUN` as soon as it has taken that place.

    Raises:
        CacheNotFound: The folder does not exist or holds something else.
        CacheUnfinished: Nothing has been captioned yet.
        CacheNewer: A later version of this program wrote it.
        CacheDamaged: A file is missing, cut short or altered.
        CacheError: It cannot be read.
    """
    folder = folder.absolute()
    place, beside = place_of(folder), successor(folder)
    if place != folder and not folder.exists():
        return open_cache(place)
    try:
        return Cache.open(folder)
    except CacheUnfinished:
        # The run in `folder` may be another one's, about to be replaced.
        working = beside if (beside / WORK_FILE).exists() and work.is_locked(beside) else folder
    try:
        return LiveCache.open(place, working)
    except CacheNotFound:
        if (working / WORK_FILE).exists():
            raise
        return open_cache(place)  # it was finished in between


class LiveCache:
    """The captions of an unfinished run, with the members of `Cache`; a context manager.

    Pictures come in the order in which they were captioned: one that has been shown keeps its index, which is not
    its place in the dataset, and new ones follow. What there is changes only in `refresh`, which one thread calls;
    all other methods may be called from any thread, and none but those that read a single picture waits for the disk.

    Attributes:
        folder: Where the finished cache will be.
        manifest: What is known of the run: its plan, the number of all its pictures (`count`), the shape of the
            attention. Its only score is `logprob`; the others, and `corpus`, come at the end.
    """

    def __init__(self, folder: Path, working: Path, manifest: Manifest, files: tuple[work.Reader, work.Reader]) -> None:
        """Make a reader; `LiveCache.open` is the way in."""
        from .live_rows import Table, no_lists  # noqa: PLC0415 (pyarrow takes a third of a second)

        self.folder = folder
        self.manifest = manifest
        self._working = working
        self._work, self._attention = files
        self._table = Table(manifest.count)
        self._seen = 0  # the last arrival that was read
        self._refreshing = Lock()
        self._references = no_lists()
        self._referring = Lock()

    @classmethod
    def open(cls, folder: Path, working: Path | None = None) -> Self:
        """Open an unfinished run.

        Args:
            folder: Where its cache will be.
            working: Where it grows, if somewhere else.

        Raises:
            CacheNotFound: There is none.
            CacheUnfinished: Nothing has been captioned yet, or an older version of this program has begun it.
            CacheNewer: A later version of this program has.
            CacheDamaged: A file is missing or altered.
            CacheError: It cannot be read.
        """
        working = working or folder
        with ExitStack() as undo:
            with reading_errors(working):
                captions = undo.enter_context(work.Reader(working / WORK_FILE))
                manifest = read_manifest(working, captions)
                attention = undo.enter_context(work.Reader(working / ATTENTION_FILE))
            live = cls(folder, working, manifest, (captions, attention))
            live.refresh()
            if not len(live):
                raise busy(working)
            undo.pop_all()
        return live

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self.close()

    def close(self) -> None:
        """Close the files; texts and scores stay, a reading thread gets a `CacheError` from its next question."""
        self._work.close()
        self._attention.close()

    def refresh(self) -> int:
        """Take in what has been captioned since the last time; quick where that is nothing.

        At most 20,000 pictures are read (about a second), so that a long run shows at once and is read over a few
        calls. While the writer is at the file for seconds, nothing is read.

        Returns:
            The number of rows that are new or, captioned again after a kill, have changed.

        Raises:
            CacheError: It was closed.
            CacheDamaged: A file cannot be read.
        """
        arrived: list[Row] = []
        with self._refreshing, self._errors():
            seen = self._seen
            try:
                while len(arrived) < _ROWS_A_REFRESH and (found := self._work.query(_NEWS, seen, _ROWS_A_QUERY)):
                    seen = found[-1][0]
                    arrived += [to_row(record) for _, record in found]
            except sqlite3.OperationalError as error:
                if not work.is_busy(error) and not self.replaced():
                    raise
            changed = self._table.add(arrived) if arrived else 0
            self._seen = seen
            return changed

    @property
    def is_running(self) -> bool:
        """Whether a process is writing; where none is, nothing will come until the run is started again."""
        return work.is_locked(self._working)

    @property
    def progress(self) -> tuple[int, int]:
        """How many pictures are here, and how many there will be."""
        return len(self), self.manifest.count

    def replaced(self) -> bool:
        """Tell whether the finished cache, or another run, has taken the place of this one."""
        in_place = self._working == self.folder
        return (in_place and (self.folder / MANIFEST_FILE).exists()) or self._work.is_gone()

    def __len__(self) -> int:
        """Return the number of pictures that are here."""
        return len(self._table.rows)

    def name(self, index: int) -> str:
        """Return the file stem of a picture.

        Raises:
            IndexError: There is no such picture.
        """
        return self._text("name", index)

    def path(self, index: int) -> str:
        """Return the file of a picture, relative to the dataset's image folder; raises as `name`."""
        return self._text("path", index)

    def caption(self, index: int) -> str:
        """Return the generated caption of a picture; raises as `name`."""
        return self._text("caption", index)

    def texts(self, column: str) -> pa.ChunkedArray:
        """Return a whole column [count]: "name", "path", "caption" (strings) or "references" (lists of strings).

        References are read when they are first asked for, a million of them in a minute.

        Raises:
            KeyError: There is no such column.
        """
        return self._all_references() if column == "references" else self._table.rows.texts[column]

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names of the scores that are known already."""
        return (LOGPROB.name,)

    def scores(self, name: str) -> NDArray[np.float64]:
        """Return one score of every picture, float64 [count]; read-only.

        Raises:
            UsageError: There is no such score yet.
        """
        if name != LOGPROB.name:
            raise self._no_score(name, self.score_names)
        return self._table.rows.logprobs

    def order(self, name: str, *, reverse: bool = False) -> NDArray[np.int64]:
        """Return the indices of all pictures, [count], in the order of a score, best first; as `Cache.order`.

        Raises:
            UsageError: There is no such score yet.
        """
        rows = self._table.rows
        if name == "index":
            ascending = np.arange(len(rows))
            return ascending[::-1] if reverse else ascending
        if name == "name":
            from .live_rows import order_of  # noqa: PLC0415 (pyarrow)

            return order_of(rows.texts["name"], reverse=reverse)
        if name != LOGPROB.name:
            raise self._no_score(name, (*self.score_names, "name", "index"))
        return np.argsort(rows.logprobs if reverse else -rows.logprobs, kind="stable")

    def find(self, name: str) -> int | None:
        """Return the index of the first picture of this name (file stem), or None."""
        from .live_rows import find  # noqa: PLC0415 (pyarrow)

        return find(self._table.rows.texts["name"], name)

    def sample(self, index: int) -> Sample:
        """Return everything about a picture but its attention.

        Its `index` is the one here, not the picture's place in the dataset.

        Raises:
            IndexError: There is no such picture.
            CacheDamaged: Its record makes no sense.
            CacheError: The files are gone, or the writer does not let go of them.
        """
        picture = self._picture(index)
        with self._errors():
            (record,) = only(self._work.query("SELECT record FROM captions WHERE idx = ?", picture), picture)
            return to_sample(record, operator.index(index), self.manifest.attention)

    def attention(self, index: int) -> Attention | None:
        """Return the attention of a picture's caption; None where the run has no maps; raises as `sample`."""
        picture, known = self._picture(index), self.manifest.attention
        if known is None:
            return None
        with self._errors():
            *shape, blob = only(self._attention.query(_ATTENTION, picture), picture)
            if shape[1:] != [known.layers, known.heads, known.positions] or not isinstance(shape[0], int):
                raise ValueError(f"the attention of picture {picture} has another shape than the run's")
            weights = codec.decode(blob, (shape[0], shape[1], shape[2], shape[3]), known.codec)
        return codec.Attention(weights, known.prefix, known.rows, known.cols)

    def preview(self, index: int) -> bytes:
        """Return the small JPEG of a picture; raises as `sample`."""
        picture = self._picture(index)
        with self._errors():
            (content,) = only(self._work.query("SELECT preview FROM captions WHERE idx = ?", picture), picture)
            if not isinstance(content, bytes) or not content.startswith(b"\xff\xd8\xff"):
                raise ValueError(f"the preview of picture {picture} is not a JPEG")
            return content

    def image_file(self, index: int) -> Path | None:
        """Return the picture's own file, or None where the dataset is not on this machine; as `Cache.image_file`."""
        return original_file(self.manifest.plan, self.path(index))

    def _text(self, column: str, index: int) -> str:
        rows = self._table.rows
        self._picture(index)
        return str(rows.texts[column][operator.index(index)].as_py())

    def _picture(self, index: int) -> int:
        """Return the place in the dataset of a row."""
        pictures = self._table.rows.pictures
        if not 0 <= index < len(pictures):
            raise IndexError(f"picture {index} is not among the {len(pictures)} of {self.folder}")
        return int(pictures[index])

    def _all_references(self) -> pa.ChunkedArray:
        """Return the references of all rows; those that were read before are kept."""
        from .live_rows import lists, with_appended  # noqa: PLC0415 (pyarrow)

        with self._referring, self._errors():
            pictures = self._table.rows.pictures
            for start in range(len(self._references), len(pictures), _ROWS_A_QUERY):
                wanted = pictures[start : start + _ROWS_A_QUERY].tolist()
                marks = ", ".join("?" * len(wanted))
                found = self._work.query(f"SELECT idx, record FROM captions WHERE idx IN ({marks})", *wanted)  # noqa: S608
                references = {picture: to_references(record) for picture, record in found}
                column = lists([references[picture] for picture in wanted])
                self._references = with_appended(self._references, column)
            return self._references

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Add the folder to what goes wrong while reading, and what became of it."""
        try:
            with reading_errors(self._working):
                yield
        except CacheError as error:
            if self.replaced():
                raise CacheError(f"{self.folder}: the run was finished or replaced; open it again") from error
            raise

    def _no_score(self, name: str, known: tuple[str, ...]) -> UsageError:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(known)}"
        return UsageError(f"{self.folder}: no score {name!r} while the run goes on; {hint}")
