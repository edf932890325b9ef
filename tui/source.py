"""What the browser needs of a cache. `cache.reader.Cache` is one; tests have another, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ..cache.codec import Attention
    from ..cache.schema import Manifest, Sample


class Source(Protocol):
    """A finished run, read at random. Methods may be called from several threads at once."""

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

    def caption(self, index: int, /) -> str:
        """Return the generated caption of a picture."""

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
