"""Reads a finished evaluation cache.

`Cache.open` looks at the manifest and at the sizes of the files only, which takes milliseconds however long
the cache is; pyarrow, sqlite3 and zstandard are imported by the first question that needs them.
"""

from __future__ import annotations

import operator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Self

import numpy as np

from . import codec, folders
from .errors import CacheDamaged, CacheError, UsageError
from .originals import original_file
from .schema import ATTENTION_FILE, SAMPLES_FILE, Manifest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa
    from numpy.typing import NDArray

    from .codec import Attention
    from .samples import Samples
    from .schema import AttentionShape, Sample


class Cache:
    """A finished cache, open for reading; a context manager. All methods may be called from any thread.

    Attributes:
        folder: Where it is.
        manifest: What it says about itself.
    """

    def __init__(self, folder: Path, manifest: Manifest, identity: folders.Identity) -> None:
        """Make a reader; `Cache.open` is the way in."""
        self.folder = folder
        self.manifest = manifest
        self._identity = identity
        self._lock = Lock()
        self._closed = False
        self._opened_samples: Samples | None = None
        self._opened_attention: sqlite3.Connection | None = None
        self._scores: dict[str, NDArray[np.float64]] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a cache.

        Raises:
            CacheNotFound: The folder does not exist or holds something else.
            CacheUnfinished: Its run has not ended.
            CacheNewer: A later version of this program wrote it.
            CacheDamaged: A file is missing, cut short or altered.
            CacheError: It cannot be read.
        """
        folder = folder.absolute()
        text, identity = folders.read_manifest(folder)
        manifest = Manifest.from_json(text, str(folder))
        needed = (SAMPLES_FILE,) if manifest.attention is None else (SAMPLES_FILE, ATTENTION_FILE)
        folders.check_sizes(folder, needed, manifest.files)
        return cls(folder, manifest, identity)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self.close()

    def close(self) -> None:
        """Close the files; a reading thread gets a `CacheError` from its next question."""
        with self._lock:
            self._closed = True
            if self._opened_samples is not None:
                self._opened_samples.close()
            if self._opened_attention is not None:
                self._opened_attention.close()

    def replaced(self) -> bool:
        """Tell whether another run has taken the place of this cache on the disk since it was opened."""
        try:
            return folders.identity(self.folder) != self._identity
        except OSError:
            return True

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.manifest.count

    def name(self, index: int) -> str:
        """Return the file stem of a picture.

        Raises:
            IndexError: There is no such picture.
        """
        return str(self._samples().cell("name", index))

    def path(self, index: int) -> str:
        """Return the file of a picture, relative to the dataset's image folder, with "/"; raises as `name`."""
        return str(self._samples().cell("path", index))

    def caption(self, index: int) -> str:
        """Return the generated caption of a picture; raises as `name`."""
        return str(self._samples().cell("caption", index))

    def texts(self, column: str) -> pa.ChunkedArray:
        """Return a text of every picture [count]; read once, then kept in memory.

        Args:
            column: "name", "path" or "caption", which hold strings, or "references", which holds lists of strings.

        Raises:
            KeyError: There is no such column.
        """
        return self._samples().texts(column)

    @cached_property
    def score_names(self) -> tuple[str, ...]:
        """The names of the scores, in display order."""
        return tuple(score.name for score in self.manifest.scores)

    def scores(self, name: str) -> NDArray[np.float64]:
        """Return one score of every picture, float64 [count], NaN where undefined; read-only.

        Raises:
            UsageError: The cache has no such score.
        """
        if name not in self.score_names:
            raise self._no_score(name, self.score_names)
        if name not in self._scores:
            values = self._samples().scores(name)
            values.flags.writeable = False
            self._scores[name] = values
        return self._scores[name]

    def order(self, name: str, *, reverse: bool = False) -> NDArray[np.int64]:
        """Return the indices of all pictures, [count], in the order of a score, best first.

        Args:
            name: A score; or "name" (by code points) or "index", whose order is ascending.
            reverse: Worst first, or descending. Undefined scores stay last, and equal ones stay in the order
                of their indices, whichever way.

        Raises:
            UsageError: The cache has no such score.
        """
        if name == "index":
            ascending = np.arange(len(self))
            return ascending[::-1] if reverse else ascending
        if name == "name":
            return self._samples().order_of_names(reverse=reverse)
        higher = {score.name: score.higher_is_better for score in self.manifest.scores}
        if name not in higher:
            raise self._no_score(name, (*self.score_names, "name", "index"))
        values = self.scores(name)
        # A stable sort keeps equal values in order, and numpy puts NaN last.
        return np.argsort(-values if higher[name] != reverse else values, kind="stable")

    def find(self, name: str) -> int | None:
        """Return the index of the first picture of this name (file stem), or None."""
        return self._samples().find(name)

    def sample(self, index: int) -> Sample:
        """Return everything about a picture but its attention; raises as `name`."""
        sample = self._samples().sample(index)
        shape = self.manifest.attention
        if shape is not None and (sample.view.rows, sample.view.cols) != (shape.rows, shape.cols):
            raise CacheDamaged(f"{self.folder}: picture {index} has another grid of patches than the manifest")
        return sample

    def attention(self, index: int) -> Attention | None:
        """Return the attention of a picture's caption, all layers and heads; None where the run has no maps.

        Raises as `name`.
        """
        known = self.manifest.attention
        if known is None:
            return None
        blob, shape = self._attention_blob("weights", index, known)
        with self._naming_picture(index):
            weights = codec.decode(blob, shape, known.codec)
        return codec.Attention(weights, known.prefix, known.rows, known.cols)

    def mean_map(self, index: int, pieces: Sequence[int], layer: int = -1) -> NDArray[np.float32] | None:
        """Return where a word looked, [rows, cols]: `attention(index).word_map(pieces, layer)`, but quicker.

        None where the run has no maps.

        Args:
            index: The picture.
            pieces: The tokens of the word, at least one.
            layer: Decoder layer; -1 is the last.

        Raises:
            IndexError: There is no such picture, token or layer.
            ValueError: There are no pieces.
        """
        if not pieces:
            raise ValueError("a word has at least one piece")
        known = self.manifest.attention
        if known is None:
            return None
        blob, shape = self._attention_blob("mean", index, known)
        with self._naming_picture(index):
            mean = codec.decode_mean(blob, shape)
        return codec.grid_map(mean[list(pieces), layer], known.prefix, known.rows, known.cols)

    def preview(self, index: int) -> bytes:
        """Return the small JPEG of a picture.

        Raises:
            IndexError: There is no such picture.
            CacheDamaged: It is missing or no JPEG.
            CacheError: Another run has taken the place of this cache; its previews are other pictures.
        """
        index = self._checked(index)
        try:
            content = folders.read_preview(self.folder, index)
        except CacheDamaged:
            self._check_not_replaced()
            raise
        self._check_not_replaced()
        return content

    def image_file(self, index: int) -> Path | None:
        """Return the picture's own file, or None where the dataset is not on this machine.

        A path that leads out of the dataset's image folder, through a symbolic link too, counts as not there.
        """
        return original_file(self.manifest.plan, self.sample(index).path)

    def _samples(self) -> Samples:
        from .samples import Samples  # noqa: PLC0415 (pyarrow takes a third of a second)

        with self._lock:
            self._check_open()
            if self._opened_samples is None:
                self._check_not_replaced()
                file = self.folder / SAMPLES_FILE
                self._opened_samples = Samples(file, len(self), self.score_names, self._check_not_replaced)
            return self._opened_samples

    def _attention_blob(self, column: str, index: int, known: AttentionShape) -> tuple[bytes, codec.Shape]:
        """Return a packed column of a picture's row, and the shape [tokens, layers, heads, positions]."""
        import sqlite3  # noqa: PLC0415

        index = self._checked(index)
        query = f"SELECT tokens, layers, heads, positions, {column} FROM attention WHERE idx = ?"  # noqa: S608
        try:
            with self._lock:
                row = self._attention_connection().execute(query, (index,)).fetchone()
        except sqlite3.Error as error:
            raise CacheDamaged(f"{self.folder}: {ATTENTION_FILE} cannot be read ({error})") from error
        if row is None:
            raise CacheDamaged(f"{self.folder}: {ATTENTION_FILE} has no picture {index}")
        *shape, blob = row
        if (
            not isinstance(blob, bytes)
            or not all(isinstance(size, int) for size in shape)
            or shape[0] < 0
            or shape[1:] != [known.layers, known.heads, known.positions]
        ):
            raise CacheDamaged(f"{self.folder}: the attention of picture {index} has another shape than the manifest")
        return blob, (shape[0], shape[1], shape[2], shape[3])

    def _attention_connection(self) -> sqlite3.Connection:
        """Return the connection; the caller holds the lock."""
        import sqlite3  # noqa: PLC0415

        self._check_open()
        if self._opened_attention is None:
            self._check_not_replaced()
            # A finished file is never written again, so SQLite may do without locks, which network drives and
            # read-only media do badly or not at all.
            address = f"{(self.folder / ATTENTION_FILE).as_uri()}?mode=ro&immutable=1"
            self._opened_attention = sqlite3.connect(address, uri=True, check_same_thread=False)
        return self._opened_attention

    @contextmanager
    def _naming_picture(self, index: int) -> Iterator[None]:
        """Add folder and picture to what the codec finds."""
        try:
            yield
        except CacheDamaged as error:
            raise CacheDamaged(f"{self.folder}: picture {index}: {error}") from error

    def _checked(self, index: int) -> int:
        """Return the index as a plain int: SQLite would store, and look for, the bytes of one of numpy's."""
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} is not among the {len(self)} of {self.folder}")
        return operator.index(index)

    def _check_open(self) -> None:
        if self._closed:
            raise CacheError(f"{self.folder}: the cache was closed")

    def _check_not_replaced(self) -> None:
        if self.replaced():
            raise CacheError(f"{self.folder}: the cache was replaced by another run or removed; open it again")

    def _no_score(self, name: str, known: Sequence[str]) -> UsageError:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(known)}"
        return UsageError(f"{self.folder}: no score {name!r} in this cache; {hint}")
