"""From pictures and prompts to probabilities.

Contract: text and image embeddings have unit norm; a probability is a softmax, over all labels, of the model's own
logit scale times the cosine, as in open_clip's documented example. An ensemble's embedding of a label is the mean of
its templates' unit-norm embeddings, scaled back to unit norm (Radford et al. 2021, section 3.1.4). Each picture is
embedded once for all prompts and each distinct text once, and both are kept (`kept_clip`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ...cache.zeroshot import Guesses, Label
from ...cache.zeroshot.schema import MOST_GUESSES
from ..ahead import ahead
from ..clip import Clip
from ..datasets import Dataset, Item, load_image, make_preview
from ..device import autocast
from ..kept_clip import Embedded, KeptClip, picture_keys
from ..progress import Progress
from .prompts import PromptSpec, fill

_TEXTS_AT_ONCE: Final = 1024
_PICTURES_AT_ONCE: Final = 4096  # rows of the softmax: a thousand labels take 32 MB


def embed_pictures(
    dataset: Dataset, clip: Clip, kept: KeptClip, *, precision: str = "fp32", batch: int = 64, workers: int = 2
) -> list[bytes]:
    """Embed the pictures that are not kept yet; the keys of all of them, in order.

    Args:
        dataset: The pictures.
        clip: The model.
        kept: Where its embeddings are kept, for this precision.
        precision: Of the vision tower, see `autocast`.
        batch: Pictures at once.
        workers: Threads that read pictures.

    Raises:
        DatasetError: A picture cannot be read; what was done is kept.
    """
    keys = picture_keys(dataset.file(item) for item in dataset)
    todo = [dataset.items[place] for place in kept.missing(keys)]

    def load(item: Item) -> tuple[Float[Tensor, "3 height width"], tuple[int, int], bytes]:
        image = load_image(dataset.file(item))
        return clip.preprocess(image), image.size, make_preview(image)

    batches = [todo[start : start + batch] for start in range(0, len(todo), batch)]
    with Progress("pictures by CLIP", len(dataset), unit="pictures") as progress, ThreadPoolExecutor(workers) as pool:
        progress.restart_from(len(dataset) - len(todo))
        for items, loaded in zip(batches, ahead(pool, load, batches), strict=True):
            with autocast(clip.device, precision):
                vectors = clip.embed_images(torch.stack([pixels for pixels, _, _ in loaded])).numpy()
            found = [
                Embedded(vector, *size, preview) for vector, (_, size, preview) in zip(vectors, loaded, strict=True)
            ]
            kept.add([keys[item.index] for item in items], found)
            progress.update(len(items))
    return keys


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
    absent = kept.missing_texts(text for rows in texts.values() for row in rows for text in row)
    if absent:
        with Progress("prompts by CLIP", len(absent), unit="texts") as progress:
            for start in range(0, len(absent), _TEXTS_AT_ONCE):
                chunk = absent[start : start + _TEXTS_AT_ONCE]
                with autocast(clip.device, precision):
                    kept.add_texts(chunk, clip.embed_texts(chunk).numpy())
                progress.update(len(chunk))
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
