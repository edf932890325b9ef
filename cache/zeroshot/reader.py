"""Reads a finished zero-shot run.

`ZeroShotRun.open` looks at the manifest and at the size of the table only; a column is read whole when it is first
asked for, and kept: a million pictures and five guesses take 20 MB a column.
"""

from __future__ import annotations

import operator
from threading import Lock
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from .. import folders
from ..errors import CacheDamaged, CacheError, UsageError
from ..originals import original_file
from ..schema import SAMPLES_FILE
from .schema import Manifest

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa
    from numpy.typing import NDArray

    from .columns import Columns
    from .schema import Prompt

VALUES: Final = ("confidence", "true_probability", "margin", "correct")
"""What a picture can be sorted by, for each prompt (`ZeroShotRun.values`)."""

_TEXTS: Final = ("name", "path")
_LONGEST_SIDE: Final = 1 << 24  # pixels


class ZeroShotRun:
    """A finished zero-shot run, open for reading; a context manager. All methods may be called from any thread.

    Labels and prompts are meant by their number, from 0. What is returned as an array is read-only.

    Attributes:
        folder: Where it is.
        manifest: What it says about itself.
    """

    def __init__(self, folder: Path, manifest: Manifest, identity: folders.Identity) -> None:
        """Make a reader; `ZeroShotRun.open` is the way in."""
        self.folder = folder
        self.manifest = manifest
        self.labels: tuple[str, ...] = tuple(label.name for label in manifest.labels)
        self._identity = identity
        self._lock = Lock()
        self._closed = False
        self._opened: Columns | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a run.

        Raises:
            CacheNotFound: The folder does not exist or holds something else, such as a cache of captions.
            CacheNewer: A later version of this program wrote it.
            CacheDamaged: A file is missing, cut short or altered.
            CacheError: It cannot be read.
        """
        folder = folder.absolute()
        text, identity = folders.read_manifest(folder)
        manifest = Manifest.from_json(text, str(folder))
        folders.check_sizes(folder, (SAMPLES_FILE,), manifest.files)
        return cls(folder, manifest, identity)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; a reading thread gets a `CacheError` from its next question."""
        with self._lock:
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    def replaced(self) -> bool:
        """Tell whether another run has taken the place of this one on the disk since it was opened."""
        try:
            return folders.identity(self.folder) != self._identity
        except OSError:
            return True

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.manifest.count

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts, in the order in which they were given."""
        return self.manifest.prompts

    def name(self, index: int) -> str:
        """Return the file stem of a picture.

        Raises:
            IndexError: There is no such picture.
        """
        return str(self.texts("name")[self._checked(index)].as_py())

    def path(self, index: int) -> str:
        """Return the file of a picture, relative to the image folder, with "/"; raises as `name`."""
        return str(self.texts("path")[self._checked(index)].as_py())

    def texts(self, column: str) -> pa.ChunkedArray:
        """Return the "name" or the "path" of every picture [count].

        Raises:
            KeyError: There is no such column.
        """
        if column not in _TEXTS:
            raise KeyError(column)
        return self._columns().texts(column)

    def find(self, name: str) -> int | None:
        """Return the index of the first picture of this name (file stem), or None."""
        import pyarrow.compute as pc  # noqa: PLC0415

        from ..arrow import strings  # noqa: PLC0415

        found = int(pc.index(self.texts("name"), strings([name])[0]).as_py())
        return None if found < 0 else found

    def size(self, index: int) -> tuple[int, int]:
        """Return width and height of a picture in pixels; raises as `name`."""
        index = self._checked(index)
        width, height = (self._columns().integers(name, 1, (1, _LONGEST_SIDE)) for name in ("width", "height"))
        return int(width[index]), int(height[index])

    def true_label(self, index: int) -> int | None:
        """Return the true class of a picture, None where it is not known; raises as `name`."""
        label = int(self.true_labels()[self._checked(index)])
        return None if label < 0 else label

    def true_labels(self) -> NDArray[np.int32]:
        """Return the true class of every picture [count], -1 where it is not known."""
        return self._columns().integers("label", -1, (0, len(self.labels)))

    def predicted(self, prompt: int) -> NDArray[np.int32]:
        """Return the most probable class of every picture [count] by a prompt.

        Raises:
            IndexError: There is no such prompt.
        """
        return self._guessed(prompt)[:, 0]

    def top(self, index: int, prompt: int) -> tuple[tuple[int, float], ...]:
        """Return the most probable classes of a picture by a prompt and their probabilities, best first.

        Raises:
            IndexError: There is no such picture or prompt.
        """
        index = self._checked(index)
        labels, probabilities = self._guessed(prompt)[index], self._probabilities(prompt)[index]
        return tuple(zip(labels.tolist(), probabilities.tolist(), strict=True))

    def true_rank(self, index: int, prompt: int) -> int | None:
        """Return the place of the true class, from 1, None where it is not known; raises as `top`."""
        return int(self.true_ranks(prompt)[self._checked(index)]) or None

    def true_ranks(self, prompt: int) -> NDArray[np.int32]:
        """Return the place of the true class of every picture [count], from 1, 0 where it is not known.

        Raises:
            IndexError: There is no such prompt.
        """
        return self._columns().integers(self._column(prompt, "true_rank"), 0, (1, len(self.labels) + 1))

    def values(self, prompt: int, name: str) -> NDArray[np.float64]:
        """Return what pictures can be sorted by, [count].

        Args:
            prompt: By which prompt.
            name: "confidence" (the best probability), "margin" (the best less the second best), "true_probability"
                (of the true class) or "correct" (1 or 0); the last two are NaN where the class is not known.

        Raises:
            IndexError: There is no such prompt.
            UsageError: There is no such value.
        """
        if name == "confidence":
            return self._probabilities(prompt)[:, 0].astype(np.float64)
        if name == "correct":
            truth = self.true_labels()
            return np.where(truth < 0, np.nan, (truth == self.predicted(prompt)).astype(np.float64))
        if name not in VALUES:
            raise UsageError(f"{self.folder}: no value {name!r} in a zero-shot run; it has: {', '.join(VALUES)}")
        return self._columns().floats(self._column(prompt, name))

    def order(self, prompt: int, name: str, *, reverse: bool = False) -> NDArray[np.int64]:
        """Return the indices of all pictures, [count], by a value, highest first; undefined last, ties by index.

        Args:
            prompt: By which prompt.
            name: See `values`.
            reverse: Lowest first; undefined ones stay last.

        Raises:
            IndexError, UsageError: As `values`.
        """
        values = self.values(prompt, name)
        return np.argsort(values if reverse else -values, kind="stable")

    def preview(self, index: int) -> bytes:
        """Return the small JPEG of a picture.

        Raises:
            IndexError: There is no such picture.
            CacheDamaged: It is missing or no JPEG.
            CacheError: Another run has taken the place of this one; its previews are other pictures.
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
        """Return the picture's own file, or None where the dataset is not on this machine; raises as `name`."""
        return original_file(self.manifest.plan, self.path(index))

    def _guessed(self, prompt: int) -> NDArray[np.int32]:
        """Return the guesses of a prompt [count, guesses]."""
        name = self._column(prompt, "top")
        return self._columns().label_lists(name, self.manifest.guesses, len(self.labels))

    def _probabilities(self, prompt: int) -> NDArray[np.float32]:
        """Return the probabilities of the guesses of a prompt [count, guesses]."""
        return self._columns().number_lists(self._column(prompt, "probability"), self.manifest.guesses)

    def _column(self, prompt: int, name: str) -> str:
        if not 0 <= prompt < len(self.prompts):
            raise IndexError(f"prompt {prompt} is not among the {len(self.prompts)} of {self.folder}")
        return f"p{operator.index(prompt)}_{name}"

    def _columns(self) -> Columns:
        from .columns import Columns  # noqa: PLC0415 (pyarrow takes a third of a second)

        with self._lock:
            if self._closed:
                raise CacheError(f"{self.folder}: the run was closed")
            if self._opened is None:
                self._check_not_replaced()
                self._opened = Columns(self.folder / SAMPLES_FILE, len(self))
            return self._opened

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} is not among the {len(self)} of {self.folder}")
        return operator.index(index)

    def _check_not_replaced(self) -> None:
        if self.replaced():
            raise CacheError(f"{self.folder}: the run was replaced by another one or removed; open it again")
