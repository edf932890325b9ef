"""Pictures and texts through CLIP: what is not kept yet is embedded, batch by batch.

Contract: each picture and each distinct text is embedded once by a model, for all commands (`kept_clip`). A batch is
kept as soon as it is done, so that what was killed goes on behind its last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from .ahead import ahead
from .clip import Clip
from .datasets import Dataset, Item, load_image, make_preview
from .device import autocast
from .kept_clip import Embedded, KeptClip, picture_keys
from .progress import Progress

_TEXTS_AT_ONCE: Final = 1024


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


def embed_texts(texts: Iterable[str], clip: Clip, kept: KeptClip, *, precision: str = "fp32", what: str) -> None:
    """Embed the texts that are not kept yet.

    Args:
        texts: As the model takes them, with any prefix.
        clip: The model.
        kept: Where its embeddings are kept, for this precision.
        precision: Of the text tower, see `autocast`.
        what: What the texts are, for the line of progress.
    """
    absent = sorted(kept.missing_texts(texts), key=len)  # of like length in a batch: a long one slows no others
    if not absent:
        return
    with Progress(f"{what} by CLIP", len(absent), unit="texts") as progress:
        for start in range(0, len(absent), _TEXTS_AT_ONCE):
            chunk = absent[start : start + _TEXTS_AT_ONCE]
            with autocast(clip.device, precision):
                kept.add_texts(chunk, clip.embed_texts(chunk).numpy())
            progress.update(len(chunk))
