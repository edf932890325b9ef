"""From pictures to a cache: captions, attention, CLIP embeddings, scores.

Contract: `precompute` runs three stages and writes everything through `CacheWriter`. *Pictures*: each batch is read
once, captioned, looked at (attention) and embedded by CLIP, then written in a durable transaction; whatever happens,
the next run with the same plan begins behind the last batch. Several processes can share it (`sharding`). *Scores*:
all those of the captions (`scoring`). *Finish*: the table and the manifest. Only the first stage is long; the others
are done anew after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..cache.errors import UsageError
from ..cache.schema import RAW_MAPS, Captioned, CaptionRow, Score, total
from ..cache.writer import CacheWriter
from .ahead import ahead, meanwhile
from .captioners import CaptionModel, Explainable, HuggingFaceCaptioner, Predicted, ReadBy, Written, open_captioner
from .clip import Clip, ClipSpec
from .datasets import Dataset, Item, load_image, make_preview
from .decoding import Decoding
from .device import autocast, choose_device
from .distributed import World, world
from .kept_clip import Embedded, KeptClip, picture_keys
from .memory import Batch, Fitting, automatic_batch
from .metrics.evaluate import METRICS, require
from .progress import Progress
from .scoring import DESCRIPTIONS, Scores, Seen, Texts, score
from .sharding import SharedCache, blocks_of, dealt

_BLOCK = 32  # pictures that are dealt to a process at once, where batches have no size yet


@dataclass(frozen=True)
class Options:
    """What `precompute` does beside the models and the data.

    Attributes:
        decoding: the caption search.
        prefix: put before each caption for CLIP; the CLIPScore paper has "A photo depicts", the assignment nothing.
        metrics: reference metrics, of `METRICS`; left out where the dataset has no references.
        exact: keep attention in fp16 instead of 8 bits.
        batch: pictures at once, or ``auto`` (no part of the plan: captions do not depend on it).
        workers: threads that read pictures.
        device: see `choose_device`.
        precision: fp32, fp16 or bf16 for captioner and CLIP.
        overwrite: replace a finished cache.
        maps: what the maps are, of `core.attribution.METHODS`; other than raw attention for checkpoints of ours only.
        world: the processes that share the run.
        notes: further remarks for the reader of the cache.
    """

    decoding: Decoding = field(default_factory=Decoding)
    prefix: str = ""
    metrics: tuple[str, ...] = METRICS
    exact: bool = False
    batch: Batch = 32
    workers: int = 2
    device: str = "auto"
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    overwrite: bool = False
    maps: str = RAW_MAPS
    world: World = field(default_factory=world)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One picture as the models take it; `clip_input` is None where its embedding is kept."""

    item: Item
    size: tuple[int, int]
    captioner_input: NDArray[Any]
    clip_input: Float[Tensor, "3 height width"] | None
    preview: bytes


class Precompute:
    """Models and data of one run, ready to be worked through batch by batch."""

    def __init__(
        self, dataset: Dataset, captioner: str | Path | CaptionModel, clip_spec: ClipSpec, options: Options
    ) -> None:
        """Load the models.

        Args:
            dataset: the pictures.
            captioner: one, or what names it to `open_captioner`.
            clip_spec: the CLIP.
            options: the rest.

        Raises:
            CheckpointError: a model cannot be used.
            UsageError: the options do not fit it, or what the metrics need is not there.
        """
        self.dataset, self.options = dataset, options
        if dataset.has_references:
            require(options.metrics)  # rather now than behind an hour of captioning
        self.device = choose_device(options.device)
        if isinstance(captioner, str | Path):
            captioner = open_captioner(captioner, self.device, options.precision)
        self.captioner = captioner
        if options.maps != RAW_MAPS:
            _explain_by(options.maps, self.captioner)
        self.clip = Clip.load(clip_spec, self.device)
        self.plan = self._plan()
        self._notes = [*dataset.notes, *options.notes]
        self._captioning, self._embedding = Fitting("captioning"), Fitting("CLIP")

    def run(self, folder: Path, started: Callable[[Path], None] = lambda _: None) -> Path:
        """Work through all stages into `folder`; the folder of the finished cache.

        Of several processes, the first one finishes the cache; the others do their share of the pictures and return.

        Args:
            folder: where the cache will be.
            started: called before the first batch with the folder in which the pictures appear meanwhile, which is
                another one while a finished cache is being overwritten.

        Raises:
            CacheError: `folder` holds something else, or cannot be written.
            DatasetError: a picture cannot be read; what was done is kept.
        """
        count, options = len(self.dataset), self.options
        shared = SharedCache(folder, self.plan, count, exact=options.exact, world=options.world)
        if not options.world.is_first:
            if options.overwrite or not shared.is_finished():
                with shared.own() as shard:
                    self._pictures(shard, dealt(self._blocks(), options.world), shared.done())
            return folder
        with CacheWriter(folder, self.plan, count, exact=options.exact, overwrite=options.overwrite) as writer:
            started(writer.working_folder)
            self._all_pictures(writer, shared)
            scores = self._scores(list(writer.texts()), writer.embeddings())
            columns, notes = scores.per_picture, [*self._notes, *scores.notes]
            descriptions = [Score(name, higher_is_better=True, description=DESCRIPTIONS[name]) for name in columns]
            finished = writer.finish(columns, descriptions, scores.corpus, _versions(self.captioner), notes)
        shared.remove()
        return finished

    def _all_pictures(self, writer: CacheWriter, shared: SharedCache) -> None:
        """The first stage: everything that needs the pictures themselves, by this process and all others."""
        blocks, alone = self._blocks(), self.options.world.size == 1
        with Progress("captions, attention, CLIP", len(self.dataset), unit="pictures") as progress:
            gathering = shared.gathering(writer, [[item.index for item in block] for block in blocks])
            gathering.step(in_order=not alone)
            progress.restart_from(gathering.done)

            def follow(_: int) -> None:
                gathering.step()
                progress.update(gathering.done - progress.done)

            if not alone:
                with shared.own() as shard:
                    self._pictures(shard, dealt(blocks, self.options.world), shared.done(), follow)
                gathering.wait(lambda: progress.update(gathering.done - progress.done))
            self._pictures(writer, blocks, gathering.kept, progress.update)

    def _blocks(self) -> list[Sequence[Item]]:
        """The pictures in portions that are dealt to processes: those of a batch each, where its size is known."""
        size = self.options.batch
        return blocks_of(self.dataset.items, _BLOCK if size == "auto" else size)

    def _pictures(
        self,
        writer: CacheWriter,
        blocks: Sequence[Sequence[Item]],
        done: Set[int],
        then: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Do the pictures of some blocks that are not done; `then` is called with their number, batch by batch."""
        left = [[item for item in block if item.index not in done] for block in blocks]
        todo = [item for block in left for item in block]
        if not todo:
            return
        keys = picture_keys(self.dataset.file(item) for item in todo)
        key_of = {item.index: key for item, key in zip(todo, keys, strict=True)}
        batches: list[Sequence[Item]] = [block for block in left if block]
        if self.options.batch == "auto":
            batches = blocks_of(todo, self._fitting_batch(todo[0]))
        with KeptClip(self.clip, self.options.precision) as kept, ThreadPoolExecutor(self.options.workers) as pool:
            missing = {todo[place].index for place in kept.missing(keys)}

            def load(item: Item) -> _Loaded:
                return self._load(item, embed=item.index in missing)

            for batch, rows, new in meanwhile(self._seen, ahead(pool, load, batches)):
                writer.add_captioned(rows)
                kept.add([key_of[index] for index in new], new.values())
                vectors = kept.vectors(key_of[picture.item.index] for picture in batch)
                writer.add_embeddings([(picture.item.index, row) for picture, row in zip(batch, vectors, strict=True)])
                then(len(batch))

    def _fitting_batch(self, item: Item) -> int:
        """How many pictures fit at once, tried with copies of one."""

        def attempt(size: int) -> None:
            self._caption([loaded] * size)
            self._embed_new([loaded] * size)

        loaded = self._load(item)
        return automatic_batch(attempt)

    def _load(self, item: Item, *, embed: bool = True) -> _Loaded:
        image = load_image(self.dataset.file(item))
        taken = self.captioner.input(image)
        return _Loaded(item, image.size, taken, self.clip.preprocess(image) if embed else None, make_preview(image))

    def _seen(self, batch: Sequence[_Loaded]) -> tuple[Sequence[_Loaded], list[Captioned], dict[int, Embedded]]:
        """A batch with all that the models say of it: captions, and new embeddings by the pictures' indices."""
        rows = self._captioning(self._caption, batch)
        new = [picture for picture in batch if picture.clip_input is not None]
        vectors = self._embedding(self._embed_new, new)
        found = {
            picture.item.index: Embedded(vector, *picture.size, picture.preview)
            for picture, vector in zip(new, vectors, strict=True)
        }
        return batch, rows, found

    def _embed_new(self, batch: Sequence[_Loaded]) -> list[NDArray[np.float32]]:
        inputs = [picture.clip_input for picture in batch if picture.clip_input is not None]
        with autocast(self.device, self.options.precision):
            return list(self.clip.embed_images(torch.stack(inputs)).numpy())

    def _caption(self, batch: Sequence[_Loaded]) -> list[Captioned]:
        inputs = np.stack([picture.captioner_input for picture in batch])
        keys = [picture.item.path for picture in batch]
        found = self.captioner.write(inputs, self.options.decoding, keys=keys)
        return [self._row(picture, written) for picture, written in zip(batch, found, strict=True)]

    def _row(self, picture: _Loaded, written: Written) -> Captioned:
        return Captioned(
            index=picture.item.index,
            name=picture.item.name,
            path=picture.item.path,
            view=self.captioner.view(picture.size),
            caption=written.caption,
            references=picture.item.references,
            token_ids=written.token_ids,
            pieces=written.pieces,
            word_of_piece=written.word_of_piece,
            words=written.words,
            logprobs=written.logprobs,
            attention=written.attention,
            prefix=self.captioner.prefix,
            preview=picture.preview,
            alternatives=written.alternatives,
        )

    def _scores(self, rows: Sequence[CaptionRow], images: Float[np.ndarray, "picture dim"]) -> Scores:
        """The second stage: all scores, that of the captioner itself among them."""
        texts = Texts([row.caption for row in rows], [row.references for row in rows])
        found = score(texts, self.options.metrics, Seen(self.clip, images, self.options.prefix, self.options.precision))
        logprob = np.array([total(row.logprobs) for row in rows], np.float64)
        own = {} if np.isnan(logprob).all() else {"logprob": logprob}
        return replace(found, per_picture={**found.per_picture, **own})

    def _plan(self) -> dict[str, Any]:
        """What makes this run this run and no other."""
        dataset = self.dataset
        return {
            "dataset": {
                "name": dataset.name,
                "images": str(dataset.root.resolve()),
                "annotations": str(dataset.annotations.resolve()) if dataset.annotations else None,
                "fingerprint": dataset.fingerprint,
                "count": len(dataset),
                **dict(dataset.chosen),
            },
            "captioner": dict(self.captioner.identity),
            "decoding": self._decoding(),
            "clip": {**self.clip.identity, "prefix": self.options.prefix},
            "metrics": list(self.options.metrics),
            "attention": "exact" if self.options.exact else "u8",
            "precision": self.options.precision,
            **({} if self.options.maps == RAW_MAPS else {"maps": self.options.maps}),  # older plans stay equal
        }

    def _decoding(self) -> dict[str, Any]:
        if isinstance(self.captioner, Predicted | ReadBy):
            return {}  # whoever wrote the captions knows
        return dict(self.options.decoding.to_json())


def _explain_by(maps: str, captioner: CaptionModel) -> None:
    if not isinstance(captioner, Explainable):
        raise UsageError(
            f"--maps {maps}: needs a checkpoint of `hw3 train`; other captioners tell attention or nothing"
        )
    captioner.explain_by(maps)


def _versions(captioner: CaptionModel) -> dict[str, str]:
    """What computed this; a run without references needs no pycocoevalcap, a checkout on the path is not installed."""
    names = ("hw3-browse", "torch", "timm", "open_clip_torch", "pycocoevalcap", "numpy", "pillow", "tokenizers")
    further = ("transformers",) if isinstance(captioner, HuggingFaceCaptioner) else ()
    found = {}
    for name in (*names, *further):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
