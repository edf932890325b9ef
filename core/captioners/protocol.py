"""What captions pictures, as the rest of core sees it: a picture in, tokens, words and attention out.

Contract: a `CaptionModel` is used from two sides. Reader threads call `input` (and `view`, which only calculates); one
thread calls `write` with the stacked inputs of a batch. Whatever it is behind that, a checkpoint of ours, a Hugging
Face model, a file of captions or a user's own program, `hw3 precompute` and `hw3 caption` see nothing else of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image

from ...cache.geometry import View
from ...cache.schema import Alternative
from ..decoding import Decoding


@dataclass(frozen=True, slots=True)
class Written:
    """The caption of one picture. Tokens are the generated ones: no BOS, with the final EOS where it was emitted.

    A model that tells only its text leaves `token_ids`, `pieces`, `word_of_piece` and `logprobs` empty.

    Attributes:
        caption: the text.
        token_ids: generated tokens.
        pieces: display text of each token; ``<EOS>`` for the end.
        word_of_piece: for each token the index into `words`, -1 for special tokens.
        words: the words of the caption.
        logprobs: natural log-probability of each token, NaN where it is not known.
        attention: ``[token, layer, head, position]``, float, positions as `CaptionModel.view` and `prefix` say; None
            where the model has none, or none was asked for. All captions of a run have attention, or none has.
        alternatives: further captions, best first.
    """

    caption: str
    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    word_of_piece: tuple[int, ...]
    words: tuple[str, ...]
    logprobs: tuple[float, ...]
    attention: Float[np.ndarray, "token layer head position"] | None = None
    alternatives: tuple[Alternative, ...] = ()

    @classmethod
    def of_text(cls, caption: str) -> Written:
        """A caption of which nothing but the text is known; words are what lies between spaces."""
        return cls(caption, (), (), (), tuple(caption.split()), ())

    @classmethod
    def of_words(
        cls,
        words: Sequence[str],
        attention: Float[np.ndarray, "token layer head position"] | None = None,
        logprobs: Sequence[float] | None = None,
    ) -> Written:
        """A caption whose tokens are its words, without an end token.

        Args:
            words: in order.
            attention: of each word.
            logprobs: of each word; NaN where not given.
        """
        likely = [math.nan] * len(words) if logprobs is None else logprobs
        places = tuple(range(len(words)))
        return cls(" ".join(words), places, tuple(words), places, tuple(words), tuple(map(float, likely)), attention)


def whole_picture(size: tuple[int, int]) -> View:
    """The view of a model of which nothing is known: the whole of a picture of (width, height) `size`, as one patch."""
    width, height = size
    return View(width, height, (0.0, 0.0, float(width), float(height)), 1, 1, width, height)


@runtime_checkable
class Explainable(Protocol):
    """A captioner of whose captions other maps than raw attention can be made."""

    def explain_by(self, maps: str) -> None:
        """Give maps of this kind (`core.attribution.METHODS`) from now on.

        Raises:
            UsageError: There is no such kind, or this captioner cannot be explained so.
        """


class CaptionModel(Protocol):
    """Something that captions pictures.

    Attributes:
        identity: what makes its captions these and no others, as plain JSON values; it goes into the plan of a run,
            and only a run with an equal plan goes on where it stopped. Has at least ``name``.
        prefix: positions (class and register tokens) before the first patch.
    """

    @property
    def identity(self) -> Mapping[str, Any]: ...  # noqa: D102 (see above)

    @property
    def prefix(self) -> int: ...  # noqa: D102

    def input(self, image: Image.Image) -> NDArray[Any]:
        """What the model takes of one picture, of the same shape for all; called in threads.

        Args:
            image: upright, RGB.

        Raises:
            DatasetError: The picture cannot be used, being too thin for instance.
        """

    def view(self, size: tuple[int, int]) -> View:
        """What the model sees of a picture of (width, height) `size`, and the grid of its patches."""

    def write(
        self, inputs: NDArray[Any], decoding: Decoding, *, look: bool = True, keys: Sequence[str] = ()
    ) -> list[Written]:
        """Caption a batch.

        Args:
            inputs: `input` of each picture, stacked along a new first axis.
            decoding: the caption search; a model that cannot search so raises UsageError.
            look: whether attention is wanted; a model that has none need not care.
            keys: each picture's path within its dataset, for captions that are looked up; a model that looks at the
                pictures needs them not. A sample's randomness depends on the seed and on the picture's own pixels.

        Returns:
            One caption a picture, in their order.
        """
