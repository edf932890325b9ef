"""What a training step reads of each picture: uint8 pixels, or a frozen encoder's kept features in several views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from .. import store
from ..captioner import Captioner
from ..datasets import Dataset
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

    def memory(self, captioner: Captioner, indices: Int[np.ndarray, " image"], drawn: Drawn | None = None) -> Memory:
        """The encoder's memory of some pictures; the plain ones where nothing was drawn."""
        views = np.zeros(len(indices), int) if drawn is None else drawn.views
        encoder, device = captioner.encoder, captioner.device
        if self._frozen:
            kept = np.empty((len(indices), *self._views[0].shape[1:]), self._views[0].dtype)
            for view, features in enumerate(self._views):
                rows = np.flatnonzero(views == view)
                rows = rows[np.argsort(indices[rows])]  # read the memory map forwards
                kept[rows] = features[indices[rows]]
            return Memory(torch.from_numpy(kept).to(device).float(), encoder.rows, encoder.cols, encoder.prefix)
        order = np.argsort(indices)
        batch = torch.from_numpy(self._pixels[indices[order]][np.argsort(order)])
        if drawn is not None and drawn.shift != (0, 0):
            batch = _shifted(batch, *drawn.shift)
        images = encoder.preprocess.normalise(batch.to(device))
        flip = torch.from_numpy(views.astype(bool)).to(device)[:, None, None, None]
        return captioner.encode(torch.where(flip, images.flip(-1), images))


def _shifted(batch: Int[Tensor, "image height width 3"], down: int, right: int) -> Int[Tensor, "image height width 3"]:
    """Move the whole batch, edges repeated."""
    rows = (torch.arange(batch.shape[1]) - down).clamp(0, batch.shape[1] - 1)
    cols = (torch.arange(batch.shape[2]) - right).clamp(0, batch.shape[2] - 1)
    return batch[:, rows][:, :, cols]
