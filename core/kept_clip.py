"""CLIP embeddings kept on disk, so that no picture and no text is embedded twice by the same model.

Contract: one SQLite file a model (weights, preprocessing, precision) in the folder of `store.kept_dir`. A picture is
found by its path, size and time of change, so that every dataset that names the file shares its embedding: a folder
to classify and a COCO json to caption alike. Each batch is a transaction: what was killed goes on behind its last
one, and several processes may fill the same file. All of it can be removed at any time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ..cache.errors import CacheError, DatasetError
from ..cache.text import printable
from . import store
from .clip import Clip

_WAIT: Final = 60.0  # seconds, for another process's transaction
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS pictures (key BLOB PRIMARY KEY, vector BLOB NOT NULL, width INTEGER NOT NULL,
  height INTEGER NOT NULL, preview BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS texts (key BLOB PRIMARY KEY, vector BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What is kept of a picture.

    Attributes:
        vector: float32 [dim], unit norm.
        width: In pixels.
        height: In pixels.
        preview: A small JPEG.
    """

    vector: NDArray[np.float32]
    width: int
    height: int
    preview: bytes


class KeptClip:
    """The kept embeddings of one model; a context manager, for one thread.

    All methods raise `CacheError` where the file cannot be read or written.
    """

    def __init__(self, clip: Clip, precision: str = "fp32", folder: Path | None = None) -> None:
        """Open the file, made if need be.

        Args:
            clip: The model.
            precision: Of its towers, see `device.autocast`.
            folder: Where the file lies; default: `store.kept_dir()`.
        """
        folder = store.kept_dir() if folder is None else folder
        name = store.key(clip.fingerprint, clip.preprocess.to_json(), precision)
        self._path = folder / f"clip-{name}.sqlite"
        self._tokenizer = clip.tokenizer_identity  # equal weights may read by another one
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=_WAIT)
            self._connection.execute("PRAGMA synchronous = NORMAL")  # a lost batch is made again
            self._connection.executescript(_TABLES)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._connection.close()

    def missing(self, keys: Sequence[bytes]) -> list[int]:
        """Return the places of the pictures that are not kept."""
        known = self._keys("pictures")
        return [place for place, key in enumerate(keys) if key not in known]

    def add(self, keys: Iterable[bytes], pictures: Iterable[Embedded]) -> None:
        """Keep pictures; when this returns, another process finds them."""
        rows = [
            (key, _packed(found.vector), found.width, found.height, found.preview)
            for key, found in zip(keys, pictures, strict=True)
        ]
        self._insert("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)", rows)

    def pictures(self, keys: Iterable[bytes]) -> Iterator[Embedded]:
        """Yield what is kept of pictures, which must be there, in the order asked for."""
        for key in keys:
            vector, *rest = self._row("SELECT vector, width, height, preview FROM pictures WHERE key = ?", key)
            yield Embedded(_unpacked(vector), *rest)

    def vectors(self, keys: Iterable[bytes]) -> NDArray[np.float32]:
        """Return the embeddings of pictures, which must be there, [len(keys), dim]."""
        return np.stack([_unpacked(self._row("SELECT vector FROM pictures WHERE key = ?", key)[0]) for key in keys])

    def missing_texts(self, texts: Iterable[str]) -> list[str]:
        """Return the texts that are not kept, each once."""
        known = self._keys("texts")
        return [text for text in dict.fromkeys(texts) if self._text_key(text) not in known]

    def add_texts(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Keep the embeddings [len(texts), dim] of texts."""
        rows = [(self._text_key(text), _packed(vector)) for text, vector in zip(texts, vectors, strict=True)]
        self._insert("INSERT OR REPLACE INTO texts VALUES (?, ?)", rows)

    def text_vectors(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Return the embeddings of texts, which must be there, [len(texts), dim]."""
        found = (self._row("SELECT vector FROM texts WHERE key = ?", self._text_key(text)) for text in texts)
        return np.stack([_unpacked(vector) for (vector,) in found])

    def _text_key(self, text: str) -> bytes:
        return _digest(f"{self._tokenizer}\0{text}" if self._tokenizer else text)

    def _keys(self, table: str) -> set[bytes]:
        with self._errors():
            return {key for (key,) in self._connection.execute(f"SELECT key FROM {table}")}  # noqa: S608 (our own)

    def _row(self, query: str, key: bytes) -> tuple[Any, ...]:
        with self._errors():
            row: tuple[Any, ...] | None = self._connection.execute(query, (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return row

    def _insert(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._errors(), self._connection:
            self._connection.executemany(statement, rows)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the disk or SQLite raise into one line that names the file."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise CacheError(
                f"{printable(str(self._path))}: the kept embeddings cannot be used ({error}); remove the file, or let "
                "XDG_CACHE_HOME name another folder"
            ) from error


def picture_keys(files: Iterable[Path]) -> list[bytes]:
    """Return what pictures are found by: path, size and time of change.

    Raises:
        DatasetError: One is not there.
    """
    keys = []
    for file in files:
        try:
            path = file.resolve()
            status = path.stat()
        except OSError as error:
            raise DatasetError(f"the picture {printable(str(file))} cannot be read ({error.strerror})") from error
        keys.append(_digest(f"{path}\0{status.st_size}\0{status.st_mtime_ns}"))
    return keys


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _packed(vector: NDArray[np.float32]) -> bytes:
    return np.asarray(vector, "<f4").tobytes()


def _unpacked(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, "<f4")
