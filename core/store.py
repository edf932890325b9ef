"""Pictures and features kept on disk between epochs and runs, memory-mapped.

Contract: `pixels` gives every picture of a dataset after resize and crop, as uint8; `features` gives what a frozen
encoder makes of them, as fp16, for the plain picture and, on request, for its mirror image and further views. Both
are computed once, kept in the program's cache folder under a key made of all that determines them, survive a kill
(they go on where they stopped) and are opened as memory maps, so that several runs share them and memory stays flat.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray
from torch import Tensor

from .augment import view_of
from .datasets import Dataset, load_image
from .device import autocast
from .encoder import Encoder
from .fingerprint import fingerprint
from .preprocess import Preprocess
from .progress import Progress

_CHUNK = 64


def kept_dir() -> Path:
    """Where stores lie by default: below the user's cache folder; everything in it can be removed at any time."""
    return Path(platformdirs.user_cache_dir("hw3-browse")) / "kept"


def pixels(dataset: Dataset, preprocess: Preprocess, folder: Path, workers: int = 2) -> NDArray[np.uint8]:
    """The dataset's pictures ready for normalisation, ``[picture, height, width, 3]``.

    Args:
        dataset: pictures to read.
        preprocess: resize and crop (mean and standard deviation play no part).
        folder: where the store lies.
        workers: threads that decode.
    """
    geometry = {key: value for key, value in preprocess.to_json().items() if key not in ("mean", "std")}
    path = folder / f"pixels-{key(dataset.fingerprint, geometry)}.npy"
    height, width = preprocess.input_size

    def one(index: int) -> NDArray[np.uint8]:
        return preprocess.pixels(load_image(dataset.file(dataset.items[index])))

    def chunk(start: int, stop: int) -> NDArray[Any]:
        return np.stack(list(pool.map(one, range(start, stop))))

    with ThreadPoolExecutor(workers) as pool:
        return filled(path, (len(dataset), height, width, 3), np.dtype(np.uint8), chunk, "reading pictures")


@dataclass(frozen=True)
class FeatureSource:
    """Whose features are kept.

    Attributes:
        dataset: pictures to read.
        encoder: in evaluation mode, on its device.
        precision: see `autocast`; bf16 is about twice as fast on a CPU that has it.
        folder: where the stores lie.
        workers: threads that decode.
    """

    dataset: Dataset
    encoder: Encoder
    precision: str
    folder: Path
    workers: int = 2

    @cached_property
    def identity(self) -> str:
        """What tells this encoder's features from another's."""
        return encoder_identity(self.encoder)

    def key(self, *parts: Any) -> str:
        """The name of a store of these features."""
        return key(self.dataset.fingerprint, self.encoder.preprocess.to_json(), self.identity, *parts, self.precision)

    def pixels(self) -> NDArray[np.uint8]:
        """The encoder's input before normalisation."""
        return pixels(self.dataset, self.encoder.preprocess, self.folder, self.workers)

    @torch.inference_mode()
    def encode(self, images: NDArray[np.uint8], *, mirrored: bool = False) -> Tensor:
        """Features of some pixels, and behind them of their mirror image: ``[picture, view, position, channel]``."""
        device = next(self.encoder.parameters()).device
        batch = self.encoder.preprocess.normalise(torch.from_numpy(images.copy()).to(device))
        batch = batch.contiguous(memory_format=torch.channels_last)  # a third faster for convolutions
        with autocast(device, self.precision):
            kept = [self.encoder(batch).tokens]
            if mirrored:
                kept.append(self.encoder(batch.flip(-1)).tokens)
        return torch.stack(kept, dim=1)


def features(source: FeatureSource, *, mirrored: bool, views: int = 0) -> tuple[NDArray[np.float16], ...]:
    """A frozen encoder's memory of each picture, a store ``[picture, position, channel]`` for each view.

    View 0 is the plain picture, view 1 its mirror image where `mirrored`; all others are made by `augment.view_of`,
    each in a file of its own, so that asking for more views computes the new ones alone.

    Args:
        source: whose features.
        mirrored: keep the mirrored view too, and mirror every second of the further views.
        views: how many views, those two included.
    """
    base = _base(source, views=2 if mirrored else 1)
    plain = tuple(base[:, view] for view in range(base.shape[1]))
    further = range(len(plain), views)
    return plain + tuple(_further(source, view, views, mirrored=mirrored) for view in further)


def _base(source: FeatureSource, views: int) -> NDArray[np.float16]:
    """The plain picture and, as a second view, its mirror image: ``[picture, view, position, channel]``."""
    encoder = source.encoder
    shape = (len(source.dataset), views, encoder.positions, encoder.channels)
    kept = source.pixels()

    def chunk(start: int, stop: int) -> NDArray[Any]:
        return source.encode(kept[start:stop], mirrored=views > 1).half().cpu().numpy()

    path = source.folder / f"features-{source.key(views)}.npy"
    return filled(path, shape, np.dtype(np.float16), chunk, "encoding pictures")


def _further(source: FeatureSource, view: int, views: int, *, mirrored: bool) -> NDArray[np.float16]:
    """One augmented view: ``[picture, position, channel]``."""
    shape = (len(source.dataset), source.encoder.positions, source.encoder.channels)
    kept = source.pixels()

    def chunk(start: int, stop: int) -> NDArray[Any]:
        seen = [view_of(kept[index], index, view, mirror=mirrored) for index in range(start, stop)]
        return source.encode(np.stack(seen))[:, 0].half().cpu().numpy()

    path = source.folder / f"features-{source.key('view', view, mirrored)}.npy"
    return filled(path, shape, np.dtype(np.float16), chunk, f"encoding view {view + 1} of {views}")


def encoder_identity(encoder: Encoder) -> str:
    """What tells an encoder's features from another's: its weights, and which of its outputs are read."""
    config = encoder.config
    if config.stages is None:
        return key(fingerprint(encoder), config.prefix_tokens, config.stage)
    return key(fingerprint(encoder), config.prefix_tokens, None, list(config.stages))  # they overrule `stage`


def key(*parts: Any) -> str:
    """A short name made of JSON-able parts: what a store is found by."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def filled(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk: Callable[[int, int], NDArray[Any]],
    label: str,
) -> NDArray[Any]:
    """Open the store at `path`, computing what is missing; an unfinished one is called ``*.part``."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part, mark = path.with_suffix(".part"), path.with_suffix(".done")
        done = int(mark.read_text()) if part.is_file() and mark.is_file() else 0
        out = np.lib.format.open_memmap(part, mode="r+" if done else "w+", dtype=dtype, shape=shape)
        with Progress(label, shape[0], unit="pictures") as progress:
            progress.restart_from(done)
            for start, stop in _chunks(done, shape[0]):
                out[start:stop] = chunk(start, stop)
                out.flush()
                mark.write_text(str(stop))
                progress.update(stop - start)
        del out
        part.replace(path)
        mark.unlink(missing_ok=True)
    stored: NDArray[Any] = np.load(path, mmap_mode="r")
    return stored


def _chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, _CHUNK):
        yield first, min(first + _CHUNK, stop)
