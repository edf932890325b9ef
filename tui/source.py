"""What the browser needs of a run: of any kind (`Scored`, `Listed`), and of one of captions (`Source`).

`cache.reader.Cache` is a `Source`, so is the cache of a running precompute, and so are several runs as one list
(`runs.Runs`); tests have another, in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..cache.judged import Captions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..cache.codec import Attention
    from ..cache.query import Fields
    from ..cache.schema import Manifest, Sample, Score


class About(Protocol):
    """What a run says about its scores."""

    @property
    def scores(self) -> Sequence[Score]:
        """The columns of scores, in display order."""

    @property
    def corpus(self) -> Mapping[str, float | None]:
        """Scores of all pictures together, by name."""


class Scored(Protocol):
    """Pictures with scores: what orders, ranks, summaries and histograms need. Of whatever kind the run is."""

    @property
    def folder(self) -> Path:
        """Where it is on disk."""

    @property
    def manifest(self) -> About:
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

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a whole column [count]: "name", "path" and others, by the kind of the run."""

    def find(self, name: str, /) -> int | None:
        """Return the index of the first picture of this name, or None."""

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of scores [count], NaN where undefined."""

    def order(self, name: str, /) -> NDArray[np.intp]:
        """Return the indices of all pictures [count], best first, undefined last, ties by index."""

    def preview(self, index: int, /) -> bytes:
        """Return a small JPEG of the picture."""

    def image_file(self, index: int, /) -> Path | None:
        """Return the picture's own file, or None where the dataset is not on this machine."""

    def replaced(self) -> bool:
        """Tell whether another run, or the finished cache, has taken its place on the disk."""

    def close(self) -> None:
        """Close the files."""


class Listed(Scored, Protocol):
    """What is open, as the browser lists it. `runs.Runs` is one (captions), `classes.view.ClassView` another.

    Whoever adds a kind of run writes one of these, and a `BrowserApp` with the panels that show a picture of it.
    """

    @property
    def sources(self) -> Sequence[Noted]:
        """The runs in it, each with a file of notes of its own."""

    @property
    def title(self) -> str:
        """What is open, for the first line."""

    @property
    def notice(self) -> str:
        """What the reader must know of the list, in a line; "" for nothing."""

    @property
    def is_live(self) -> bool:
        """Whether some run is still going on."""

    def join(self) -> None:
        """Make the list ready, where that takes its time; in a worker."""

    def refresh(self) -> bool:
        """Take in what a run that goes on has added; tell whether there is anything new."""

    @property
    def searched(self) -> tuple[str, ...]:
        """The columns of `texts` in which a search looks."""

    @property
    def fields(self) -> Fields:
        """What the filter language may name."""

    def beside(self, name: str, /) -> tuple[str, ...]:
        """Return the scores that stand in the list together with a score; empty where there is no such score."""

    def value(self, name: str, index: int, /) -> float:
        """Return one score of a picture, NaN where undefined; quick."""

    @property
    def row_head(self) -> str:
        """What stands over the text of a row."""

    @property
    def names_from(self) -> int:
        """Cells from which on a list has room for names beside the text."""

    @property
    def name_width(self) -> int:
        """Cells for a name in the list."""

    def row(self, index: int, /) -> str:
        """Return the text of a row; quick."""

    def at(self, run: int, index: int, /) -> int:
        """Return the row of a picture in a run's own cache."""


class Noted(Captions, Protocol):
    """A run that people may say something about."""

    def image_file(self, index: int, /) -> Path | None:
        """Return the picture's own file, or None where the dataset is not on this machine."""

    def preview(self, index: int, /) -> bytes:
        """Return a small JPEG of the picture."""


class Source(Scored, Protocol):
    """A run of captions, read at random. Methods may be called from several threads at once."""

    @property
    def manifest(self) -> Manifest:
        """What the run says about itself."""

    def caption(self, index: int, /) -> str:
        """Return the generated caption of a picture."""

    def sample(self, index: int, /) -> Sample:
        """Return all texts and scores of a picture."""

    def attention(self, index: int, /) -> Attention | None:
        """Return the cross-attention of a picture's caption; None in a run without maps."""


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
