"""Which kind of map to believe: deletion and insertion over many words, against random orders.

Contract: several caches of the same captions, which differ in their maps alone. For each word of a sample of pictures
the patches are removed and shown in the order of each cache's map of that word (`removal`), and in random orders. What
is measured is the area under the word's log-probability, and under its probability. Lower is better in deletion, higher
in insertion. Words of one picture hang together, so intervals come from drawing whole pictures again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from ...cache.errors import DatasetError, UsageError
from ...cache.originals import original_file
from ...cache.reader import Cache
from ...cache.schema import Sample
from ..bootstrap import Interval, intervals
from ..captioner import Captioner
from ..datasets import load_image
from ..device import autocast, choose_device
from ..identity import checkpoint_identity
from ..progress import Progress
from .removal import Fill, area, follow, step_counts, teacher

WAYS: Final = ("deletion", "insertion")
_RANDOM_ORDERS: Final = 4


@dataclass(frozen=True)
class Options:
    """How the test is done.

    Attributes:
        sample: pictures, drawn at random; None for all.
        seed: of the sample, of the random orders and of ties within a map.
        steps: how often the captioner is asked on the way from the whole picture to none of it.
        fill: what takes the place of removed patches: the picture's mean colour, or its blur.
        layer: the decoder layer whose map (mean over heads) is taken; -1 is the last.
        batch: variants of a picture at once.
        device: see `choose_device`.
        precision: fp32, fp16 or bf16.
    """

    sample: int | None = 100
    seed: int = 0
    steps: int = 16
    fill: Fill = "mean"
    layer: int = -1
    batch: int = 64
    device: str = "auto"
    precision: str = "fp32"


@dataclass(frozen=True, slots=True)
class Words:
    """What was measured of some words.

    Attributes:
        areas: mean log-probability along the way; the last map is the random order.
        likelihoods: the same of the probability.
        intact: log-probability with the whole picture.
        nothing: log-probability with all patches removed.
        pictures: the picture of each word.
    """

    areas: Float[np.ndarray, "word map way"]
    likelihoods: Float[np.ndarray, "word map way"]
    intact: Float[np.ndarray, " word"]
    nothing: Float[np.ndarray, " word"]
    pictures: Int[np.ndarray, " word"]

    @property
    def need_the_picture(self) -> Bool[np.ndarray, " word"]:
        """Words at least twice as likely with the picture as without: what a map is about at all."""
        needed: NDArray[np.bool_] = self.intact - self.nothing >= math.log(2)
        return needed

    def only(self, which: Bool[np.ndarray, " word"]) -> Words:
        """Some of the words."""
        fields = (self.areas, self.likelihoods, self.intact, self.nothing, self.pictures)
        return Words(*(values[which] for values in fields))

    @classmethod
    def joined(cls, parts: Sequence[Words]) -> Words:
        """The words of several pictures."""
        names = ("areas", "likelihoods", "intact", "nothing", "pictures")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over words with its 95 % interval."""

    value: float
    interval: Interval

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval[0] > 0 or self.interval[1] < 0


def means(values: Float[np.ndarray, "word measure"], pictures: Int[np.ndarray, " word"]) -> list[Mean]:
    """The mean of each measure over words."""
    found = intervals(values, pictures)
    return [Mean(float(value), each) for value, each in zip(values.mean(axis=0), found, strict=True)]


def faithfulness(
    folders: Sequence[Path], captioner_folder: Path, images: Path | None, options: Options
) -> tuple[Words, int]:
    """Measure the maps of several caches.

    An interruption ends it early: the pictures come in random order, so the first ones are a sample too.

    Args:
        folders: the caches.
        captioner_folder: the checkpoint that made their maps.
        images: the dataset's image folder; None where the caches say it.
        options: see there.

    Returns:
        The words, and the number of pictures that were left out by an interruption.

    Raises:
        UsageError: a cache has no maps, or they are of other captions or of another checkpoint.
        DatasetError: a picture cannot be found, or no caption has a word.
    """
    with ExitStack() as stack:
        caches = [stack.enter_context(Cache.open(folder)) for folder in folders]
        _check(caches, captioner_folder, options.layer)
        device = choose_device(options.device)
        captioner = Captioner.load(captioner_folder, device)
        chosen = _chosen(len(caches[0]), options)
        parts: list[Words] = []
        with Progress("deletion and insertion", len(chosen), unit="pictures") as progress:
            try:
                for part in _measured(captioner, caches, images, chosen, options):
                    parts.append(part)
                    progress.update()
            except KeyboardInterrupt:
                if not parts:
                    raise
        if not any(len(part.pictures) for part in parts):
            raise DatasetError("no caption has a word: there is nothing to measure")
        return Words.joined(parts), len(chosen) - len(parts)


def _measured(
    captioner: Captioner, caches: Sequence[Cache], images: Path | None, chosen: Iterable[int], options: Options
) -> Iterator[Words]:
    for index in chosen:
        sample = _same_sample(caches, index)
        pixels = captioner.preprocess.pixels(load_image(_file(caches[0], sample, images)))
        with autocast(captioner.device, options.precision):
            yield _of_picture(captioner, caches, sample, pixels, options)


def _of_picture(
    captioner: Captioner, caches: Sequence[Cache], sample: Sample, pixels: NDArray[np.uint8], options: Options
) -> Words:
    rng = np.random.default_rng((options.seed, sample.index))
    pieces = [[t for t, of in enumerate(sample.word_of_piece) if of == word] for word in range(len(sample.words))]
    pieces = [tokens for tokens in pieces if tokens]
    orders = [_order(cache, sample, tokens, options.layer, rng) for tokens in pieces for cache in caches]
    patches = sample.view.rows * sample.view.cols
    orders += [rng.permutation(patches) for _ in range(_RANDOM_ORDERS)]
    counts = step_counts(patches, options.steps)
    curves = follow(
        teacher(captioner, sample.token_ids),
        pixels,
        (sample.view.rows, sample.view.cols),
        np.stack(orders),
        counts,
        fill=options.fill,
        batch=options.batch,
        device=captioner.device,
    )
    return words_of(curves, pieces, len(caches), counts, sample.index)


def words_of(
    curves: Float[np.ndarray, "order way step token"],
    pieces: Sequence[Sequence[int]],
    maps: int,
    counts: Int[np.ndarray, " step"],
    picture: int,
) -> Words:
    """The areas of each word: by its own orders, one a map, and by the random orders, which all words share.

    A word that the captioner cannot write at all (of a caption from elsewhere) is left out.

    Args:
        curves: first the orders of the first word, one a map, then those of the next, at last random ones.
        pieces: the tokens of each word.
        maps: how many maps there are.
        counts: patches removed at each step.
        picture: its index.
    """
    of_words = np.stack([curves[..., tokens].sum(axis=-1) for tokens in pieces], axis=-1) if pieces else curves[..., :0]
    areas, likelihoods = (_areas(values, len(pieces), maps, counts) for values in (of_words, np.exp(of_words)))
    pictures = np.full(len(pieces), picture)
    found = Words(areas, likelihoods, of_words[0, 0, 0], of_words[0, 0, -1], pictures)
    return found.only(np.isfinite(areas).all(axis=(1, 2)))


def _areas(
    curves: Float[np.ndarray, "order way step word"], words: int, maps: int, counts: Int[np.ndarray, " step"]
) -> Float[np.ndarray, "word map way"]:
    found = area(curves, counts)  # [order, way, word]
    result = np.empty((words, maps + 1, len(WAYS)))
    for word in range(words):
        result[word, :maps] = found[word * maps : (word + 1) * maps, :, word]
        result[word, maps] = found[words * maps :, :, word].mean(axis=0)
    return result


def _order(
    cache: Cache, sample: Sample, tokens: Sequence[int], layer: int, rng: np.random.Generator
) -> Int[np.ndarray, " patch"]:
    """The patches of a word's map, the strongest first; equal ones in random order."""
    found = cache.mean_map(sample.index, tokens, layer)
    if found is None:  # which `_check` has ruled out
        raise UsageError(f"{cache.folder}: no maps")
    shuffled = rng.permutation(found.size)
    return shuffled[np.argsort(-found.ravel()[shuffled], kind="stable")]


def _chosen(count: int, options: Options) -> list[int]:
    """The pictures of the sample, in random order."""
    rng = np.random.default_rng(options.seed)
    shuffled: list[int] = rng.permutation(count).tolist()
    return shuffled[: options.sample]


def _check(caches: Sequence[Cache], captioner_folder: Path, layer: int) -> None:
    """See that the caches have maps of the same captions, written by this captioner."""
    first = caches[0]
    for cache in caches:
        shape = cache.manifest.attention
        if shape is None:
            raise UsageError(f"{cache.folder}: this run has no maps")
        if not -shape.layers <= layer < shape.layers:
            raise UsageError(f"{cache.folder}: no layer {layer + 1}, it has {shape.layers}")
        if _of_plan(cache, "dataset", "fingerprint") != _of_plan(first, "dataset", "fingerprint"):
            raise UsageError(f"{cache.folder}: is of other pictures than {first.folder}")
    reader = _of_plan(first, "captioner", "reader")  # of captions from elsewhere, read by a checkpoint of ours
    known = reader.get("sha256") if isinstance(reader, dict) else _of_plan(first, "captioner", "sha256")
    if known != checkpoint_identity(captioner_folder)["sha256"]:
        raise UsageError(f"{captioner_folder}: the maps of {first.folder} were made by another captioner")


def _of_plan(cache: Cache, part: str, key: str) -> Any:
    found = cache.manifest.plan.get(part)
    return found.get(key) if isinstance(found, dict) else None


def _same_sample(caches: Sequence[Cache], index: int) -> Sample:
    """A picture's row, the same in all caches but for the scores."""
    sample = caches[0].sample(index)
    for cache in caches[1:]:
        if cache.sample(index).token_ids != sample.token_ids:
            raise UsageError(
                f"{cache.folder}: has another caption of picture {sample.name} than {caches[0].folder}; only maps of "
                "the same captions can be compared"
            )
    return sample


def _file(cache: Cache, sample: Sample, images: Path | None) -> Path:
    plan = cache.manifest.plan if images is None else {"dataset": {"images": str(images.resolve())}}
    file = original_file(plan, sample.path)
    if file is None:
        where = "where the cache says" if images is None else f"below {images}"
        raise DatasetError(f"{sample.path}: there is no such picture {where}; give the image folder as --images")
    return file
