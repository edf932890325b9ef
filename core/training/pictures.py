"""What a training step reads of each picture: uint8 pixels, or a frozen encoder's kept features in several views.

Contract: `ahead` reads a batch in a thread, so that the disk (or the page cache: a batch of ViT-L features is 40 MB)
works while the step before computes; `encoded` makes of it what the decoder looks at. `memory` is both at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from .. import store
from ..captioner import Captioner
from ..collective import part_of
from ..datasets import Dataset
from ..distributed import world
from ..encoder import Memory
from ..train_config import TrainConfig


@dataclass(frozen=True)
class Drawn:
    """The random choices for a batch of pictures.

    Attributes:
        views: which kept view of each picture; with pixels, 1 mirrors it.
        shift: input pixels by which the whole batch moves, down and right.
    """

    views: Int[np.ndarray, " image"]
    shift: tuple[int, int] = (0, 0)

    def part(self, which: slice) -> Drawn:
        """The choices for some of the pictures."""
        return Drawn(self.views[which], self.shift)


@dataclass(frozen=True)
class Reading:
    """A batch that is being read.

    Attributes:
        batch: what `Pictures.read` gives for it.
        drawn: the random choices for it.
        first: the batch is a part of a larger one, and begins here in it.
    """

    batch: Future[Tensor]
    drawn: Drawn
    first: int

    def part(self, which: slice) -> tuple[Tensor, Drawn]:
        """Some of the pictures, counted in the larger batch, and the choices for them; waits for the reading."""
        here = slice(which.start - self.first, which.stop - self.first)
        return self.batch.result()[here], self.drawn.part(here)


class Pictures:
    """The pictures of a dataset as a captioner's encoder, frozen or not, wants them.

    Args:
        dataset: the pictures.
        captioner: whose encoder and device.
        config: settings of the run.
        augmented: keep what `draw` chooses from; validation needs plain pictures alone.
    """

    def __init__(self, dataset: Dataset, captioner: Captioner, config: TrainConfig, *, augmented: bool = True) -> None:
        self._data = config.data
        self._frozen = config.optim.freeze_encoder
        self._to_gpu = captioner.device.type == "cuda"
        self._thread = ThreadPoolExecutor(1)
        encoder, folder = captioner.encoder, store.kept_dir()
        if self._frozen:
            encoder.eval()
            source = store.FeatureSource(dataset, encoder, config.optim.precision, folder)
            mirrored, views = (config.data.mirror, config.data.views) if augmented else (False, 0)
            self._views: Sequence[NDArray[Any]] = store.features(source, mirrored=mirrored, views=views)
        else:
            self._pixels = store.pixels(dataset, encoder.preprocess, folder)

    def draw(self, count: int, rng: np.random.Generator) -> Drawn:
        """Choose views for so many pictures."""
        if self._frozen:
            return Drawn(rng.integers(len(self._views), size=count))
        views = rng.integers(2 if self._data.mirror else 1, size=count)
        most = self._data.shift
        down, right = rng.integers(-most, most + 1, size=2) if most else (0, 0)
        return Drawn(views, (int(down), int(right)))

    def memory(self, captioner: Captioner, indices: Int[np.ndarray, " image"]) -> Memory:
        """The encoder's memory of some pictures, as they are."""
        plain = Drawn(np.zeros(len(indices), int))
        return self.encoded(captioner, self.read(indices, plain), plain)

    def ahead(self, indices: Int[np.ndarray, " image"], rng: np.random.Generator) -> Reading:
        """Make the random choices for a batch, and begin to read this process's part of it."""
        mine = part_of(len(indices), world())
        drawn = self.draw(len(indices), rng).part(mine)
        return Reading(self._thread.submit(self.read, indices[mine], drawn), drawn, mine.start)

    def read(self, indices: Int[np.ndarray, " image"], drawn: Drawn) -> Tensor:
        """Pixels ``[image, height, width, 3]``, not yet mirrored, or features ``[image, position, channel]``.

        In memory that a GPU can fetch by itself, where there is one.
        """
        batch = torch.from_numpy(self._features(indices, drawn) if self._frozen else self._pixels_of(indices))
        if drawn.shift != (0, 0):
            batch = _shifted(batch, *drawn.shift)
        return batch.pin_memory() if self._to_gpu else batch

    def encoded(self, captioner: Captioner, batch: Tensor, drawn: Drawn) -> Memory:
        """The encoder's memory of pictures that were read with the same choices."""
        encoder, device = captioner.encoder, captioner.device
        batch = batch.to(device, non_blocking=True)
        if self._frozen:
            return Memory(batch.float(), encoder.rows, encoder.cols, encoder.prefix)
        images = encoder.preprocess.normalise(batch)
        flip = torch.from_numpy(drawn.views.astype(bool)).to(device)[:, None, None, None]
        return captioner.encode(torch.where(flip, images.flip(-1), images))

    def _features(self, indices: Int[np.ndarray, " image"], drawn: Drawn) -> NDArray[Any]:
        kept = np.empty((len(indices), *self._views[0].shape[1:]), self._views[0].dtype)
        for view, features in enumerate(self._views):
            rows = np.flatnonzero(drawn.views == view)
            rows = rows[np.argsort(indices[rows])]  # read the memory map forwards
            kept[rows] = features[indices[rows]]
        return kept

    def _pixels_of(self, indices: Int[np.ndarray, " image"]) -> NDArray[Any]:
        order = np.argsort(indices)
        batch: NDArray[Any] = self._pixels[indices[order]][np.argsort(order)]
        return batch


def _shifted(batch: Int[Tensor, "image height width 3"], down: int, right: int) -> Int[Tensor, "image height width 3"]:
    """Move the whole batch, edges repeated."""
    rows = (torch.arange(batch.shape[1]) - down).clamp(0, batch.shape[1] - 1)
    cols = (torch.arange(batch.shape[2]) - right).clamp(0, batch.shape[2] - 1)
    return batch[:, rows][:, :, cols]
