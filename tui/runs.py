"""One or several runs as one list: a source whose pictures are those that all runs have, in the order of the first.

Runs are called a, b, c, ... Name, caption, picture and map of a row are the first run's; texts and scores of the others
carry their letter, "b.caption", "b.clipscore", and differences from the first run are columns too (see `columns`).

One run is passed through: nothing is read or joined. Of several, the names are read and joined once, by `Runs.join` in
a worker, or else by the first question that needs a row. Row numbers alone are kept: columns are gathered anew.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from string import ascii_lowercase
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np

from ..cache.errors import UsageError
from ..cache.query import Fields
from ..cache.schema import RAW_MAPS
from ..cache.text import printable
from .cells import in_cells
from .columns import columns_of
from .source import Growing
from .titles import titles_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..cache.codec import Attention
    from ..cache.schema import Manifest, Sample
    from .columns import Column
    from .joining import Join
    from .source import Source

_TEXTS: Final = ("name", "path", "caption", "references")


class Runs:
    """One or several runs as one `Source`; methods may be called from several threads at once.

    Args:
        sources: The runs, at least one. `close` closes them.

    Attributes:
        sources: The runs.
        labels: Their letters.
        titles: What they are called: the folder, with as much of its parents as tells it from the others; printable.

    Raises:
        UsageError: There are more runs than letters.
    """

    row_head: Final = "caption"
    names_from: Final = 96  # cells
    name_width: Final = 16

    def __init__(self, sources: Sequence[Source]) -> None:
        if not 0 < len(sources) <= len(ascii_lowercase):
            raise UsageError(f"cannot show {len(sources)} runs together: 1 to {len(ascii_lowercase)} can be")
        self.sources = tuple(sources)
        self.labels = tuple(ascii_lowercase[: len(sources)])
        self.titles = titles_of([source.folder for source in sources])
        self._join: Join | None = None
        self._lock = Lock()

    # -- The join --------------------------------------------------------------------------------------------------

    def join(self) -> None:
        """Join the runs, where that has not been done; with a million rows each it takes a second or two.

        Raises:
            UsageError: They have no picture in common.
            CacheError: One cannot be read.
        """
        if len(self.sources) > 1:
            self._joined()

    def _joined(self) -> Join:
        if (known := self._join) is not None:  # nobody who draws a row waits while the runs are joined anew
            return known
        with self._lock:
            if self._join is None:
                from .joining import join  # noqa: PLC0415 (imports pyarrow: not before the first frame)

                joined = join(self.sources)
                if not len(joined) and all(joined.counts) and not self._growing:
                    raise self._nothing_in_common()
                self._join = joined
            return self._join

    def refresh(self) -> bool:
        """Take in what runs that are still going on have added; tell whether there is anything new.

        A picture keeps its index; new ones come behind.
        """
        grown = [source.refresh() for source in self._growing]
        if not any(grown):
            return False
        with self._lock:
            if self._join is not None:
                from .joining import join  # noqa: PLC0415 (as above)

                self._join = join(self.sources, self._join)
        return True

    @property
    def is_live(self) -> bool:
        """Whether some run is still going on."""
        return bool(self._growing)

    @property
    def progress(self) -> str:
        """How many pictures there are, and how many there will be, in words."""
        if len(self.sources) == 1 and self._growing:
            done, total = self._growing[0].progress
            state = "running" if self._growing[0].is_running else "stopped"
            return f"{done:,} of {total:,} pictures, {state}"
        return f"{len(self):,} pictures"

    @property
    def title(self) -> str:
        """What is open: the runs, or the dataset of the only one (its folder where the plan has no name for it).

        Of one run it says too how its maps were made, unless they are attention as it is.
        """
        if len(self.sources) > 1:
            return f"{', '.join(self.called(run) for run in range(len(self.sources)))} · {len(self):,} pictures"
        dataset = self.manifest.plan.get("dataset")
        name = dataset.get("name") if isinstance(dataset, dict) else None
        maps = "" if self.manifest.maps == RAW_MAPS else f" · maps: {in_cells(self.manifest.maps)}"
        return in_cells(str(name or self.folder.name)) + f" · {self.progress}{maps}"

    def called(self, run: int) -> str:
        """Return the letter of a run, as columns carry it, and its title."""
        return f"{self.labels[run]} {self.titles[run]}"

    @property
    def _growing(self) -> list[Growing]:
        return [source for source in self.sources if isinstance(source, Growing)]

    @property
    def dropped(self) -> int:
        """How many pictures are not in all runs, and so not in the list; 0 before the join."""
        return 0 if self._join is None else self._join.pictures - len(self._join)

    @property
    def missing(self) -> tuple[int, ...]:
        """How many rows of each run are not in the list; 0 before the join."""
        if self._join is None:
            return (0,) * len(self.sources)
        return tuple(count - len(self._join) for count in self._join.counts)

    @property
    def notice(self) -> str:
        """What the reader must know of the join, in a line; "" where all runs have the same pictures."""
        if not any(self.missing):
            return ""
        left_out = (f"{count:,} of {title}" for count, title in zip(self.missing, self.titles, strict=True) if count)
        return f"only pictures that all runs have are shown; left out: {', '.join(left_out)}"

    def at(self, run: int, index: int) -> int:
        """Return the row of a picture in a run's own cache.

        Args:
            run: Number of the run, from 0.
            index: The picture, in the joined list.

        Raises:
            IndexError: There is no such run or picture.
        """
        source = self.sources[run]
        if len(self.sources) == 1:
            return index
        joined = self._joined()
        if not 0 <= index < len(joined):
            raise IndexError(f"picture {index} is not among the {len(joined)} that {source.folder} and others share")
        return int(joined.rows[run][index])

    def _nothing_in_common(self) -> UsageError:
        shown = (
            f"{title} has {printable(source.name(0))!r}"
            for title, source in zip(self.titles, self.sources, strict=True)
        )
        return UsageError(f"the runs have no picture in common, by name (file stem): {', '.join(shown)}")

    # -- The list --------------------------------------------------------------------------------------------------

    @property
    def _first(self) -> Source:
        return self.sources[0]

    @property
    def folder(self) -> Path:
        """Where the first run is on disk."""
        return self._first.folder

    def __len__(self) -> int:
        """Return the number of pictures; before the join those of the first run."""
        return len(self._first) if self._join is None else len(self._join)

    def name(self, index: int, /) -> str:
        """Return the file stem of a picture."""
        return self._first.name(self.at(0, index))

    def path(self, index: int, /) -> str:
        """Return the file of a picture, relative to the dataset's folder, as the first run has it."""
        return self._first.path(self.at(0, index))

    def caption(self, index: int, /) -> str:
        """Return the first run's caption of a picture."""
        return self._first.caption(self.at(0, index))

    def row(self, index: int, /) -> str:
        """Return the text of a row: the first run's caption."""
        return self.caption(index)

    @property
    def searched(self) -> tuple[str, ...]:
        """The columns of `texts` in which a search looks."""
        return self.text_names

    @property
    def fields(self) -> Fields:
        """What the filter language may name."""
        return Fields(self.score_names, self.text_names)

    @property
    def text_names(self) -> tuple[str, ...]:
        """The columns that `texts` has, the first run's first."""
        return (*_TEXTS, *(f"{label}.{text}" for label in self.labels[1:] for text in _TEXTS))

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a whole column [count] of texts: "name", "path", "caption", "references", or "b.caption" and so on.

        Raises:
            UsageError: There is no such column.
        """
        if column not in self.text_names:
            raise self._unknown(column, self.text_names)
        label, _, own = column.rpartition(".")
        run = self.labels.index(label) if label else 0
        if len(self.sources) == 1:
            return self._first.texts(own)
        from .joining import take  # noqa: PLC0415 (imports pyarrow)

        rows = self._joined().rows[run]
        return take(self.sources[run].texts(own), rows)

    def find(self, name: str, /) -> int | None:
        """Return the index of the first picture of this name, or None; one that not all runs have is not found."""
        found = self._first.find(name)
        if found is None or len(self.sources) == 1:
            return found
        rows = np.flatnonzero(self._joined().numbers(0) == found)
        return int(rows[0]) if len(rows) else None

    def attention(self, index: int, /) -> Attention | None:
        """Return the cross-attention of the first run's caption; None where it has no maps."""
        return self._first.attention(self.at(0, index))

    def preview(self, index: int, /) -> bytes:
        """Return a small JPEG of the picture."""
        return self._first.preview(self.at(0, index))

    def image_file(self, index: int, /) -> Path | None:
        """Return the picture's own file, or None where the first run's dataset is not on this machine."""
        return self._first.image_file(self.at(0, index))

    def sample(self, index: int, /) -> Sample:
        """Return the first run's texts of a picture, its index in the joined list, and its scores in all runs."""
        sample = self._first.sample(self.at(0, index))
        if len(self.sources) == 1:
            return sample
        scores = {column.name: self._value(column, index) for column in self._columns()}
        return replace(sample, index=index, scores=scores)

    def replaced(self) -> bool:
        """Tell whether another run, or the finished cache, has taken the place of one."""
        return any(source.replaced() for source in self.sources)

    def close(self) -> None:
        """Close all runs."""
        for source in self.sources:
            source.close()

    # -- Scores ----------------------------------------------------------------------------------------------------

    @property
    def score_names(self) -> tuple[str, ...]:
        """The columns of scores: for each of the first run's its difference and the others' behind it."""
        if len(self.sources) == 1:
            return self._first.score_names
        return tuple(column.name for column in self._columns())

    @property
    def manifest(self) -> Manifest:
        """What the first run says about itself; with several runs, of the joined list, and with all their scores."""
        if len(self.sources) == 1:
            return self._first.manifest
        columns = self._columns()
        corpora = [source.manifest.corpus for source in self.sources]
        corpus = dict(corpora[0])
        for column in columns:
            value = corpora[column.run].get(column.own)
            base = corpora[0].get(column.own) if column.is_difference else 0.0
            if value is not None and base is not None:
                corpus[column.name] = value - base
        scores = tuple(column.score for column in columns)
        return replace(self._first.manifest, count=len(self), scores=scores, corpus=corpus)

    def beside(self, name: str) -> tuple[str, ...]:
        """Return the columns that are read together with a score: the same score in every run, and the differences.

        Empty where there is no such score.
        """
        columns = {column.name: column for column in self._columns()}
        if name not in columns:
            return ()
        return tuple(column.name for column in columns.values() if column.own == columns[name].own)

    def value(self, name: str, index: int) -> float:
        """Return one score of a picture, NaN where undefined; quick, unlike `scores` of several runs.

        Raises:
            UsageError: There is no such score.
        """
        if len(self.sources) == 1:
            return float(self._first.scores(name)[index])
        return self._value(self._column(name), index)

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of scores [count], NaN where undefined; with several runs gathered anew each time.

        Raises:
            UsageError: There is no such score.
        """
        if len(self.sources) == 1:
            return self._first.scores(name)
        column = self._column(name)
        values = self._gathered(column.run, column.own)
        if not column.is_difference:
            return values
        with np.errstate(invalid="ignore"):  # infinity less infinity is undefined, and needs no warning
            return values - self._gathered(0, column.own)

    def order(self, name: str, /) -> NDArray[np.intp]:
        """Return the indices of all pictures [count], best first (a difference: highest first), undefined last.

        Raises:
            UsageError: There is no such score.
        """
        if len(self.sources) == 1:
            return self._first.order(name)
        count = len(self._joined())
        if name == "index":
            return np.arange(count)
        if name == "name":
            return self._order_of_names()
        values = self.scores(name)
        return np.argsort(-values if self._column(name).score.higher_is_better else values, kind="stable")

    def _order_of_names(self) -> NDArray[np.intp]:
        """Return the joined pictures in the first run's order of names."""
        rows = self._joined().numbers(0)
        order = self._first.order("name")
        indices = np.full(len(order), -1, np.intp)
        indices[rows] = np.arange(len(rows))
        indices = indices[order]
        return indices[indices >= 0]

    def _gathered(self, run: int, own: str) -> NDArray[np.float64]:
        values = self.sources[run].scores(own)
        rows = self._joined().rows[run]
        return values[: len(rows)] if isinstance(rows, range) else values[rows]

    def _value(self, column: Column, index: int) -> float:
        value = float(self.sources[column.run].scores(column.own)[self.at(column.run, index)])
        return value - float(self._first.scores(column.own)[self.at(0, index)]) if column.is_difference else value

    def _column(self, name: str) -> Column:
        columns = self._columns()
        found = next((column for column in columns if column.name == name), None)
        if found is None:
            raise self._unknown(name, [column.name for column in columns])
        return found

    def _columns(self) -> tuple[Column, ...]:
        return columns_of([source.manifest.scores for source in self.sources], self.labels)

    def _unknown(self, name: str, known: Sequence[str]) -> UsageError:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        return UsageError(f"no column {name!r} in these runs; {hint}")
