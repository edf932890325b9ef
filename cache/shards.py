"""Where the processes that share a run put what they have worked out, until the first one brings it together.

RUN/                             the cache, which the first process alone writes
.RUN.shards/KEY/0/, 1/, ...      an unfinished cache each, with the pictures that a process has done
.RUN.shards/KEY/0.alive, ...     changes as long as that process is at work (`core.sharding`)

KEY stands for what makes the run this one: what another plan has left is never taken for this one's. All of it lies
beside the cache, on the file system that the processes share, and goes when the cache is finished.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from . import work
from .schema import ATTENTION_FILE, WORK_FILE
from .succession import beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SHARED: Final = ("attention", "dim")
"""What all pictures of a run have in common, as keys of `meta`."""


def shards_folder(folder: Path) -> Path:
    """Return where the shards of the runs that go to a cache's folder lie, of all plans."""
    return beside(folder, "shards")


def key_of(identity: Mapping[str, Any]) -> str:
    """Return what tells one run's shards from another's; `identity` as `work.identity_of` gives it."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Rows:
    """Pictures as one writer has packed them, for another one to take over.

    Attributes:
        shared: What the pictures have in common: shape of the attention, length of an embedding.
        attention: Rows of the table of that name.
        captions: Likewise.
        embeddings: Likewise.
    """

    shared: Mapping[str, Any]
    attention: Sequence[tuple[Any, ...]]
    captions: Sequence[tuple[Any, ...]]
    embeddings: Sequence[tuple[Any, ...]]


class Shard:
    """What a process has worked out so far, followed while it goes on; nothing where it has not begun.

    Attributes:
        folder: Its folder, which need not exist.
        ready: The pictures that are complete, as of the last `refresh`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready: set[int] = set()
        self._seen = 0
        self._pending: set[int] = set()  # captioned, but not embedded when last looked at

    def key(self) -> str | None:
        """Return the key of the run that has its working files here; None where there is none, or is no telling."""
        try:
            with closing(work.Reader(self.folder / WORK_FILE)) as reader:
                return key_of(json.loads(reader.query("SELECT value FROM meta WHERE key = 'identity'")[0][0]))
        except (sqlite3.Error, OSError, LookupError, ValueError):
            return None

    def refresh(self) -> Self:
        """Take in what is new; quick where that is nothing. While the writer is at the files, nothing is read.

        Raises:
            CacheError: The files cannot be read.
        """
        if not (self.folder / WORK_FILE).exists():
            return self
        with work.disk_errors(self.folder), _unless_busy(), closing(work.Reader(self.folder / WORK_FILE)) as reader:
            if not reader.query("SELECT 1 FROM sqlite_master WHERE name = 'embeddings'"):
                return self  # made a moment ago
            news = reader.query("SELECT seq, idx FROM arrivals WHERE seq > ? ORDER BY seq", self._seen)
            if news:
                self._seen = news[-1][0]
                self._pending.update(index for _, index in news)
            found = {index for index in self._pending if _row(reader, "embeddings", index)}
            self._pending -= found
            self.ready |= found
        return self

    def rows(self, pictures: Sequence[int]) -> Rows | None:
        """Return pictures that are ready; None while the writer is at the files.

        Raises:
            CacheError: They cannot be read.
        """
        with (
            work.disk_errors(self.folder),
            _unless_busy(),
            closing(work.Reader(self.folder / WORK_FILE)) as texts,
            closing(work.Reader(self.folder / ATTENTION_FILE)) as attention,
        ):
            meta = {key: json.loads(value) for key, value in texts.query("SELECT key, value FROM meta")}
            return Rows(
                {key: meta[key] for key in SHARED},
                [row for index in pictures for row in _row(attention, "attention", index)],
                [row for index in pictures for row in _row(texts, "captions", index)],
                [row for index in pictures for row in _row(texts, "embeddings", index)],
            )
        return None


def _row(reader: work.Reader, table: str, index: int) -> list[tuple[Any, ...]]:
    return reader.query(f"SELECT * FROM {table} WHERE idx = ?", index)  # noqa: S608 (our own words)


@contextmanager
def _unless_busy() -> Iterator[None]:
    """Leave the block where the writer has held a file for too long; the next look will find it free."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if not work.is_busy(error):
            raise
