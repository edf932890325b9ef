"""A zero-shot run as the browser lists it: by one of its prompts.

Its columns are `ByPrompt`'s. A view is frozen: another prompt is another view of the same open run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...cache.schema import Score
from ...cache.text import printable
from ...cache.zeroshot import VALUES, ByPrompt
from ..cells import in_cells

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ...cache.zeroshot import ZeroShotRun

RIGHT: Final = "✓"
WRONG: Final = "✗"
UNKNOWN: Final = "?"
_DESCRIPTIONS: Final = {
    "confidence": "probability of the most probable class",
    "true_probability": "probability of the true class",
    "margin": "probability of the most probable class less that of the second",
    "correct": "1 where the most probable class is the true one, else 0",
}


@dataclass(frozen=True, slots=True)
class _About:
    """The scores of a view."""

    scores: tuple[Score, ...]
    corpus: Mapping[str, float | None]


_SCORES: Final = tuple(Score(name, higher_is_better=True, description=_DESCRIPTIONS[name]) for name in VALUES)


class ClassView(ByPrompt):
    """A zero-shot run by one of its prompts, as a `Listed`.

    Args:
        run: The open run; `close` closes it.
        prompt: The prompt, from 0; one that the run does not have means the last.
    """

    row_head: Final = "taken for"
    names_from: Final = 56  # cells: names and texts are short here
    name_width: Final = 9

    def __init__(self, run: ZeroShotRun, prompt: int = 0) -> None:
        super().__init__(run, prompt)
        self.manifest: Final = _About(_SCORES, {})

    def by(self, prompt: int) -> ClassView:
        """Return the same run by another prompt."""
        return ClassView(self.run, prompt)

    # -- What is open ----------------------------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[ClassView]:
        """The one run."""
        return (self,)

    @property
    def title(self) -> str:
        """The dataset and its size."""
        dataset = self.run.manifest.plan.get("dataset")
        name = dataset.get("name") if isinstance(dataset, dict) else None
        return in_cells(str(name or self.folder.name)) + f" · {len(self):,} pictures"

    notice: Final = ""
    is_live: Final = False

    def join(self) -> None:
        """Nothing is to be joined."""

    def refresh(self) -> bool:
        """A finished run does not grow."""
        return False

    def replaced(self) -> bool:
        """Tell whether another run has taken the place of this one on the disk."""
        return self.run.replaced()

    def close(self) -> None:
        """Close the run, for all views of it."""
        self.run.close()

    # -- Pictures --------------------------------------------------------------------------------------------------

    def at(self, run: int, index: int, /) -> int:  # noqa: ARG002 (there is one run)
        """Return the row of a picture: the same."""
        return index

    def name(self, index: int, /) -> str:
        """Return the file stem of a picture."""
        return self.run.name(index)

    def find(self, name: str, /) -> int | None:
        """Return the index of the first picture of this name, or None."""
        return self.run.find(name)

    def preview(self, index: int, /) -> bytes:
        """Return a small JPEG of the picture."""
        return self.run.preview(index)

    def image_file(self, index: int, /) -> Path | None:
        """Return the picture's own file, or None where the dataset is not on this machine."""
        return self.run.image_file(index)

    def row(self, index: int, /) -> str:
        """Return the text of a row: a sign, the predicted class, and the true one where it is another."""
        guess, truth = int(self.run.predicted(self.prompt)[index]), self.run.true_label(index)
        shown = printable(self.run.labels[guess])
        if truth is None:
            return f"{UNKNOWN} {shown}"
        if truth == guess:
            return f"{RIGHT} {shown}"
        return f"{WRONG} {shown}, is: {printable(self.run.labels[truth])}"

    # -- Columns of the list ---------------------------------------------------------------------------------------

    def beside(self, name: str, /) -> tuple[str, ...]:
        """Return the scores that stand in the list together with a score: itself."""
        return (name,) if name in VALUES else ()

    def value(self, name: str, index: int, /) -> float:
        """Return one score of a picture, NaN where undefined."""
        return float(self.scores(name)[index])
