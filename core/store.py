"""Pictures and features kept on disk between epochs and runs, memory-mapped.

Contract: `pixels` gives every picture of a dataset after resize and crop, as uint8; `features` gives what a frozen
encoder makes of them, as fp16, for the plain and (on request) the mirrored picture. Both are computed once, kept in
the program's cache folder under a key made of all that determines them, survive a kill (they go on where they
stopped) and are opened as memory maps, so that several runs share them and memory stays flat.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray

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


def features(
    dataset: Dataset,
    encoder: Encoder,
    identity: str,
    folder: Path,
    *,
    mirrored: bool,
    precision: str = "fp32",
    workers: int = 2,
) -> NDArray[np.float16]:
    """A frozen encoder's memory of each picture, ``[picture, view, position, channel]``; view 1 is mirrored.

    Args:
        dataset: pictures to read.
        encoder: in evaluation mode, on its device.
        identity: what tells the encoder's weights from others (part of the key).
        folder: where the store lies.
        mirrored: keep the mirrored view too.
        precision: see `autocast`; bf16 is about three times as fast on a CPU that has it.
        workers: threads that decode.
    """
    views = 2 if mirrored else 1
    name = key(dataset.fingerprint, encoder.preprocess.to_json(), identity, views, precision)
    shape = (len(dataset), views, encoder.positions, encoder.channels)
    device = next(encoder.parameters()).device
    source = pixels(dataset, encoder.preprocess, folder, workers)

    @torch.inference_mode()
    def chunk(start: int, stop: int) -> NDArray[Any]:
        images = encoder.preprocess.normalise(torch.from_numpy(source[start:stop].copy()).to(device))
        images = images.contiguous(memory_format=torch.channels_last)  # a third faster for convolutions
        with autocast(device, precision):
            kept = [encoder(images).tokens]
            if mirrored:
                kept.append(encoder(images.flip(-1)).tokens)
        return torch.stack(kept, dim=1).half().cpu().numpy()

    return filled(folder / f"features-{name}.npy", shape, np.dtype(np.float16), chunk, "encoding pictures")


def encoder_identity(encoder: Encoder) -> str:
    """What tells an encoder's features from another's: its weights, and which of its outputs are read."""
    return key(fingerprint(encoder), encoder.config.prefix_tokens, encoder.config.stage)


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
