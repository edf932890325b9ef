"""What the browser needs of a cache. `cache.reader.Cache` is one, so is the cache of a running precompute, and so are
several runs as one list (`runs.Runs`); tests have another, in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..cache.codec import Attention
    from ..cache.schema import Manifest, Sample


class Source(Protocol):
    """A run, read at random. Methods may be called from several threads at once."""

    @property
    def folder(self) -> Path:
        """Where it is on disk."""

    @property
    def manifest(self) -> Manifest:
        """What the run says about itself."""

    def __len__(self) -> int:
        """Return the number of pictures."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """The columns of scores, in display order."""

    def name(self, index: int, /) -> str:
        """Return the file stem of a picture."""

    def path(self, index: int, /) -> str:
        """Return the file of a picture, relative to the dataset's folder; as quick as `name`."""

    def caption(self, index: int, /) -> str:
        """Return the generated caption of a picture."""

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a whole column [count]: "name", "path", "caption" (strings) or "references" (lists of strings)."""

    def find(self, name: str, /) -> int | None:
        """Return the index of the first picture of this name, or None."""

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of scores [count], NaN where undefined."""

    def order(self, name: str, /) -> NDArray[np.intp]:
        """Return the indices of all pictures [count], best first, undefined last, ties by index."""

    def sample(self, index: int, /) -> Sample:
        """Return all texts and scores of a picture."""

    def attention(self, index: int, /) -> Attention:
        """Return the cross-attention of a picture's caption."""

    def preview(self, index: int, /) -> bytes:
        """Return a small JPEG of the picture."""

    def image_file(self, index: int, /) -> Path | None:
        """Return the picture's own file, or None where the dataset is not on this machine."""

    def replaced(self) -> bool:
        """Tell whether another run, or the finished cache, has taken its place on the disk."""

    def close(self) -> None:
        """Close the files."""


@runtime_checkable
class Growing(Protocol):
    """A source whose run is still going on. Pictures are only ever added, behind those that are there."""

    def refresh(self) -> int:
        """Look for new pictures and scores; return how many there are."""

    @property
    def progress(self) -> tuple[int, int]:
        """How many pictures are here, and how many there will be."""

    @property
    def is_running(self) -> bool:
        """Whether a process is at work on it."""
