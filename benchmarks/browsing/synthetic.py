"""A run of any number of rows, in memory: what is measured is the browser, not the disk."""

from __future__ import annotations

import io
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw3_browse.cache.codec import Attention
from hw3_browse.cache.geometry import view_for
from hw3_browse.cache.schema import AttentionShape, Manifest, Sample, Score

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

SCORES: Final = ("clipscore", "refclipscore", "cider", "bleu4", "meteor", "logprob")
LAYERS: Final = 12
_HEADS: Final = 8
_GRID: Final = (14, 14)
_SIZE: Final = (448, 300)
_WORDS: Final = ("a", "man", "riding", "a", "skateboard", "under", "a", "red", "umbrella", "near", "the", "beach")
_REFERENCES: Final = 5
_PREVIEWS: Final = 64  # different pictures


class Synthetic:
    """A `tui.source.Source` whose rows are made when they are asked for.

    Args:
        count: Number of pictures.
        previews: A folder that `write_previews` has filled; they are read as a cache reads its own.
    """

    def __init__(self, count: int, previews: Path) -> None:
        self.folder = previews / "no-such-cache"  # nothing is beside it, so no judgements are read
        self._count = count
        self._previews = previews
        shape = AttentionShape(LAYERS, _HEADS, 1, *_GRID, "u8-sqrt")
        scores = tuple(Score(name, higher_is_better=True, description=name) for name in SCORES)
        plan: dict[str, Any] = {"dataset": {"name": "synthetic"}}
        self.manifest = Manifest(1, "", plan, count, scores, {}, {}, shape, {}, ())

    score_names = SCORES

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self._count

    def name(self, index: int, /) -> str:
        """Return a name of digits."""
        return f"{index:012d}"

    def path(self, index: int, /) -> str:
        """Return a path."""
        return f"{index:012d}.jpg"

    def caption(self, index: int, /) -> str:
        """Return a caption that differs from its neighbours' in its last word."""
        return f"{' '.join(_WORDS)} {index}"

    def texts(self, column: str, /) -> pa.ChunkedArray:
        """Return a whole column of texts; made once, as a cache reads it once."""
        return self._texts(column)

    @cache  # noqa: B019 (there is one of us in a process)
    def _texts(self, column: str) -> pa.ChunkedArray:
        import pyarrow as pa  # noqa: PLC0415 (not before the first frame)
        import pyarrow.compute as pc  # noqa: PLC0415

        if column == "references":
            texts = pa.array([" ".join(_WORDS)]).take(pa.array(np.zeros(self._count * _REFERENCES, np.int32)))
            offsets = pa.array(np.arange(0, self._count * _REFERENCES + 1, _REFERENCES, np.int32))
            return pa.chunked_array([pa.ListArray.from_arrays(offsets, texts)])
        digits = pa.array(np.arange(self._count)).cast(pa.string())
        if column == "caption":
            return pa.chunked_array([pc.binary_join_element_wise(" ".join(_WORDS), digits, " ")])
        names = pc.utf8_lpad(digits, 12, "0")
        if column == "path":
            names = pc.binary_join_element_wise(names, "jpg", ".")
        return pa.chunked_array([names])

    def find(self, name: str, /) -> int | None:
        """Return the picture of a name."""
        return int(name) if name.isdecimal() and int(name) < self._count else None

    @cached_property
    def _scores(self) -> NDArray[np.float64]:
        return np.random.default_rng(0).random((len(SCORES), self._count))

    def scores(self, name: str, /) -> NDArray[np.float64]:
        """Return a column of scores."""
        return self._scores[SCORES.index(name)]

    def order(self, name: str, /) -> NDArray[np.intp]:
        """Return the order by a score, sorted as a cache sorts."""
        if name not in SCORES:
            return np.arange(self._count)
        return np.argsort(-self.scores(name), kind="stable")

    def sample(self, index: int, /) -> Sample:
        """Return the texts and scores of a picture."""
        words = tuple(self.caption(index).split())
        count = len(words)
        return Sample(
            index=index,
            name=self.name(index),
            path=self.path(index),
            view=view_for(_SIZE, (224, 224), 0.9, "center", _GRID),
            caption=self.caption(index),
            references=(" ".join(_WORDS),) * _REFERENCES,
            token_ids=tuple(range(count)),
            pieces=words,
            word_of_piece=tuple(range(count)),
            words=words,
            logprobs=(-0.1,) * count,
            scores={name: float(self.scores(name)[index]) for name in SCORES},
        )

    def attention(self, index: int, /) -> Attention:
        """Return peaked maps, each at a place of its own."""
        shape = (len(_WORDS) + 1, LAYERS, _HEADS, 1 + _GRID[0] * _GRID[1])
        weights = np.random.default_rng(index).random(shape, np.float32)
        weights = weights * weights * weights
        return Attention(weights / weights.sum(-1, keepdims=True), 1, *_GRID)

    def preview(self, index: int, /) -> bytes:
        """Return a JPEG."""
        return _preview(self._previews, index).read_bytes()

    def image_file(self, index: int, /) -> Path | None:
        """Return None: there is no dataset."""

    def replaced(self) -> bool:
        """Tell that it is still there."""
        return False

    def close(self) -> None:
        """Do nothing: no file is open."""


def write_previews(folder: Path) -> None:
    """Write the pictures: noise with the spectrum and the colours of photographs, so that it packs as they do."""
    from PIL import Image  # noqa: PLC0415 (the measured program imports this module, too)

    width, height = _SIZE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    for number in range(_PREVIEWS):
        rng = np.random.default_rng(number)
        spectrum = np.fft.rfft2(rng.normal(size=(4, height, width))) / frequency**1.2
        spectrum[:, 0, 0] = 0
        grey, *colours = np.fft.irfft2(spectrum, (height, width))
        pixels = np.stack([grey + 0.4 * colour for colour in colours], axis=-1)
        pixels = np.clip(128 + 50 * pixels / pixels.std(), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=85)
        _preview(folder, number).write_bytes(stream.getvalue())


def _preview(folder: Path, index: int) -> Path:
    return folder / f"{index % _PREVIEWS}.jpg"
