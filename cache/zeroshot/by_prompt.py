"""A zero-shot run as columns, by one of its prompts: what lists, orders and filters ask for.

The scores are those of the prompt; in filters, "p2.correct" and the like ask for another prompt's, counted from 1 as
`hw3 zeroshot` prints them. What one looks at is frozen: another prompt is another object for the same open run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import UsageError
from ..query import Fields
from ..text import printable
from .reader import VALUES

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from .reader import ZeroShotRun

TRUE_RANK: Final = "true_rank"
_CLASS: Final = "class"
_PREDICTION: Final = "prediction"


class ByPrompt:
    """A zero-shot run by one of its prompts. All methods may be called from any thread.

    Args:
        run: The open run.
        prompt: The prompt, from 0; one that the run does not have means the last.
    """

    searched: Final = ("name", _CLASS, _PREDICTION)
    """The columns of `texts` in which a search looks."""

    def __init__(self, run: ZeroShotRun, prompt: int = 0) -> None:
        self.run = run
        self.prompt = min(prompt, len(run.prompts) - 1)
        self._kept: dict[str, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.run)

    @property
    def folder(self) -> Path:
        """Where the run is on disk."""
        return self.run.folder

    def path(self, index: int, /) -> str:
        """Return the file of a picture, relative to the image folder."""
        return self.run.path(index)

    def caption(self, index: int, /) -> str:  # noqa: ARG002 (what people say of captions does not arise)
        """Return nothing: there are no captions that a verdict could be about."""
        return ""

    @property
    def score_names(self) -> tuple[str, ...]:
        """What the list can be sorted by."""
        return VALUES

    @property
    def text_names(self) -> tuple[str, ...]:
        """The columns that `texts` has."""
        return (*self.searched, "path", *(f"p{number}.{_PREDICTION}" for number in self._numbers))

    @property
    def fields(self) -> Fields:
        """What the filter language may name: of the current prompt, and of each by its number."""
        own = (*VALUES, TRUE_RANK)
        numbers = (*own, *(f"p{number}.{name}" for number in self._numbers for name in own))
        flags = frozenset(name for name in numbers if name.rpartition(".")[2] == "correct")
        return Fields(numbers, self.text_names, flags=flags, verdicts=False)

    @property
    def _numbers(self) -> range:
        """The prompts as people count them; none where there is but one."""
        count = len(self.run.prompts)
        return range(1, count + 1) if count > 1 else range(0)

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of numbers [count], NaN where undefined: a score, or what a filter may name.

        Raises:
            UsageError: There is no such column.
        """
        if name not in self._kept:  # two threads may both compute it, and keep the same
            self._kept[name] = self._computed(*self._split(name))
        return self._kept[name]

    def _computed(self, prompt: int, own: str) -> NDArray[np.float64]:
        if own == TRUE_RANK:
            ranks = self.run.true_ranks(prompt)
            return np.where(ranks > 0, ranks, np.nan).astype(np.float64)
        return self.run.values(prompt, own)

    def order(self, name: str, /) -> NDArray[np.intp]:
        """Return the indices of all pictures [count], highest first, undefined last; or by "name" or "index"."""
        if name == "index":
            return np.arange(len(self))
        if name == "name":
            import pyarrow.compute as pc  # noqa: PLC0415 (a third of a second)

            order = pc.array_sort_indices(self.run.texts("name").combine_chunks())
            return np.from_dlpack(order).astype(np.intp)
        return np.argsort(-self.scores(name), kind="stable")

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a column of texts [count]: "name", "path", "class" ("" where it is not known), "prediction".

        Raises:
            UsageError: There is no such column.
        """
        if column in {"name", "path"}:
            return self.run.texts(column)
        prompt, own = self._split(column)
        if own == _CLASS:
            return self._label_texts(self.run.true_labels())
        if own == _PREDICTION:
            return self._label_texts(self.run.predicted(prompt))
        raise UsageError(f"no column {printable(column)!r} in a zero-shot run; it has: {', '.join(self.text_names)}")

    def _label_texts(self, labels: NDArray[np.int32]) -> pa.ChunkedArray:
        import pyarrow as pa  # noqa: PLC0415 (a third of a second)

        names = pa.array(["", *self.run.labels], pa.string())
        content = pa.py_buffer(np.ascontiguousarray(labels + 1, np.int64))
        return pa.chunked_array([names.take(pa.Array.from_buffers(pa.int64(), len(labels), [None, content]))])

    def _split(self, name: str) -> tuple[int, str]:
        """Return the prompt, from 0, and the own name of a column: (1, "correct") for "p2.correct"."""
        prefix, dot, own = name.rpartition(".")
        if not dot:
            return self.prompt, name
        number = int(prefix[1:]) if prefix[:1] == "p" and prefix[1:].isdecimal() else 0
        if number not in self._numbers:
            raise UsageError(f"no column {printable(name)!r}: there are {len(self.run.prompts)} prompts")
        return number - 1, own
