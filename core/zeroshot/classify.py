"""From pictures and prompts to probabilities.

Contract: text and image embeddings have unit norm; a probability is a softmax, over all labels, of the model's own
logit scale times the cosine, as in open_clip's documented example. An ensemble's embedding of a label is the mean of
its templates' unit-norm embeddings, scaled back to unit norm (Radford et al. 2021, section 3.1.4). Each distinct text
is embedded once (`embedding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ...cache.zeroshot import Guesses, Label
from ...cache.zeroshot.schema import MOST_GUESSES
from ..clip import Clip
from ..embedding import embed_texts
from ..kept_clip import KeptClip
from .prompts import PromptSpec, fill

_PICTURES_AT_ONCE: Final = 4096  # rows of the softmax: a thousand labels take 32 MB


def embed_prompts(
    prompts: Sequence[PromptSpec],
    labels: Sequence[Label],
    clip: Clip,
    kept: KeptClip,
    *,
    articles: bool = False,
    precision: str = "fp32",
) -> Float[Tensor, "prompt label dim"]:
    """Return each prompt's unit-norm embedding of each label.

    Args:
        prompts: The prompts.
        labels: The classes.
        clip: The model.
        kept: Where its embeddings are kept, for this precision.
        articles: See `prompts.fill`.
        precision: Of the text tower.
    """
    texts = {prompt: _texts(prompt, labels, articles=articles) for prompt in prompts}
    flat = (text for rows in texts.values() for row in rows for text in row)
    embed_texts(flat, clip, kept, precision=precision, what="prompts")
    return torch.stack([torch.stack([_mean(kept, row) for row in texts[prompt]]) for prompt in prompts])


def probabilities(cosines: Float[Tensor, "picture label"], logit_scale: float) -> Float[Tensor, "picture label"]:
    """Return how probable each label is for each picture, float64: a softmax over the labels.

    Args:
        cosines: Of the unit-norm embeddings of picture and label.
        logit_scale: What a cosine is multiplied by; 100 for OpenAI's models. Without it all bars are flat.
    """
    return (logit_scale * cosines.double()).softmax(dim=-1)


def guess(
    images: NDArray[np.float32], texts: Float[Tensor, "label dim"], logit_scale: float, truth: NDArray[np.int32]
) -> Guesses:
    """Classify pictures by one prompt.

    Args:
        images: Unit-norm embeddings [picture, dim].
        texts: The prompt's unit-norm embeddings.
        logit_scale: What a cosine is multiplied by.
        truth: The class of each picture [picture], -1 where it is not known.
    """
    parts = [
        _guess(torch.from_numpy(images[start:stop]), texts, logit_scale, torch.from_numpy(truth[start:stop]).long())
        for start, stop in _chunks(len(images))
    ]
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Guesses(*columns)


def _guess(
    images: Float[Tensor, "picture dim"], texts: Float[Tensor, "label dim"], logit_scale: float, truth: Tensor
) -> tuple[NDArray[np.generic], ...]:
    """Return the columns of `Guesses`, in its order."""
    cosines = images @ texts.T
    chances = probabilities(cosines, logit_scale)
    # Sorted by the cosine: a sure model has many probabilities that are the same number. Equal ones by label.
    order = cosines.sort(dim=-1, descending=True, stable=True).indices
    top = order[:, :MOST_GUESSES]
    best = chances.gather(1, top)
    margin = best[:, 0] - best[:, 1] if best.shape[1] > 1 else best[:, 0]
    known = truth >= 0
    wanted = truth.clamp(min=0)[:, None]
    own = torch.where(known, chances.gather(1, wanted)[:, 0], torch.nan)
    rank = torch.where(known, (order == wanted).int().argmax(dim=1) + 1, 0)
    return (
        top.int().numpy(),
        best.float().numpy(),
        margin.numpy(),
        own.numpy(),
        rank.int().numpy(),
    )


def _texts(prompt: PromptSpec, labels: Sequence[Label], *, articles: bool) -> list[list[str]]:
    """Return for each label the texts of all templates."""
    return [[fill(template, label.name, articles=articles) for template in prompt.templates] for label in labels]


def _mean(kept: KeptClip, texts: Sequence[str]) -> Float[Tensor, " dim"]:
    vectors = torch.from_numpy(kept.text_vectors(texts))
    return vectors[0] if len(texts) == 1 else F.normalize(vectors.mean(dim=0), dim=-1)


def _chunks(count: int) -> list[tuple[int, int]]:
    starts = range(0, count, _PICTURES_AT_ONCE)
    return [(start, min(start + _PICTURES_AT_ONCE, count)) for start in starts]
