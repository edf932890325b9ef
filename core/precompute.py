"""From pictures to a cache: captions, attention, CLIP embeddings, scores.

Contract: `precompute` runs three stages and writes everything through `CacheWriter`. *Pictures*: each batch is read
once, captioned, looked at (attention) and embedded by CLIP, then written in a durable transaction; whatever happens,
the next run with the same plan begins behind the last batch. *Scores*: CLIPScore of all captions, then the reference
metrics. *Finish*: the table and the manifest. Only the first stage is long; the others are done anew after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..cache.schema import Captioned, CaptionRow, Score
from ..cache.writer import CacheWriter
from .ahead import ahead
from .attention import look
from .captioner import Captioner
from .clip import Clip, ClipSpec
from .clip_scores import clipscore, refclipscore
from .datasets import Dataset, Item, load_image, make_preview
from .decoding import Decoding, decode
from .device import autocast, choose_device
from .identity import checkpoint_identity
from .kept_clip import Embedded, KeptClip, picture_keys
from .metrics.evaluate import METRICS, evaluate, require
from .progress import Progress

DESCRIPTIONS = {
    "clipscore": "2.5 * max(cos(image, caption), 0) by CLIP (Hessel et al. 2021)",
    "refclipscore": "harmonic mean of clipscore and the closest reference's cosine (Hessel et al. 2021)",
    "cider": "consensus with the references, tf-idf weighted n-grams (Vedantam et al. 2015)",
    "bleu1": "BLEU-1, precision of words (Papineni et al. 2002)",
    "bleu2": "BLEU-2, precision of words and pairs",
    "bleu3": "BLEU-3, precision of n-grams up to 3",
    "bleu4": "BLEU-4, precision of n-grams up to 4",
    "rouge_l": "ROUGE-L, longest common subsequence (Lin 2004)",
    "meteor": "METEOR, aligned words, stems, synonyms and paraphrases (Denkowski and Lavie 2014)",
    "logprob": "log-probability of the caption under the captioner, natural log, summed over its tokens",
}


@dataclass(frozen=True)
class Options:
    """What `precompute` does beside the models and the data.

    Attributes:
        decoding: the caption search.
        prefix: put before each caption for CLIP; the CLIPScore paper has "A photo depicts", the assignment nothing.
        metrics: reference metrics, of `METRICS`; left out where the dataset has no references.
        exact: keep attention in fp16 instead of 8 bits.
        batch: pictures at once (no part of the plan: captions do not depend on it).
        workers: threads that read pictures.
        device: see `choose_device`.
        precision: fp32, fp16 or bf16 for captioner and CLIP.
        overwrite: replace a finished cache.
    """

    decoding: Decoding = field(default_factory=Decoding)
    prefix: str = ""
    metrics: tuple[str, ...] = METRICS
    exact: bool = False
    batch: int = 32
    workers: int = 2
    device: str = "auto"
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One picture as the models take it; `clip_input` is None where its embedding is kept."""

    item: Item
    size: tuple[int, int]
    pixels: NDArray[np.uint8]
    clip_input: Float[Tensor, "3 height width"] | None
    preview: bytes


class Precompute:
    """Models and data of one run, ready to be worked through batch by batch."""

    def __init__(self, dataset: Dataset, captioner_folder: Path, clip_spec: ClipSpec, options: Options) -> None:
        self.dataset, self.options = dataset, options
        if dataset.has_references:
            require(options.metrics)  # rather now than behind an hour of captioning
        self.device = choose_device(options.device)
        self.captioner = Captioner.load(captioner_folder, self.device)
        self.clip = Clip.load(clip_spec, self.device)
        self.plan = self._plan(captioner_folder)

    def run(self, folder: Path, started: Callable[[Path], None] = lambda _: None) -> Path:
        """Work through all stages into `folder`; the folder of the finished cache.

        Args:
            folder: where the cache will be.
            started: called before the first batch with the folder in which the pictures appear meanwhile, which is
                another one while a finished cache is being overwritten.

        Raises:
            CacheError: `folder` holds something else, or cannot be written.
            DatasetError: a picture cannot be read; what was done is kept.
        """
        count, options = len(self.dataset), self.options
        with CacheWriter(folder, self.plan, count, exact=options.exact, overwrite=options.overwrite) as writer:
            started(writer.working_folder)
            self._pictures(writer)
            rows = list(writer.texts())
            with Progress("scores and table", None, unit="captions") as progress:
                columns, corpus, notes = self._scores(rows, torch.from_numpy(writer.embeddings()))
                progress.update(count)
            descriptions = [Score(name, higher_is_better=True, description=DESCRIPTIONS[name]) for name in columns]
            return writer.finish(columns, descriptions, corpus, _versions(), notes)

    def _pictures(self, writer: CacheWriter) -> None:
        """The first stage: everything that needs the picture itself."""
        done = writer.captioned() & writer.embedded()
        todo = [item for item in self.dataset if item.index not in done]
        keys = picture_keys(self.dataset.file(item) for item in todo)
        key_of = {item.index: key for item, key in zip(todo, keys, strict=True)}
        batches = [todo[start : start + self.options.batch] for start in range(0, len(todo), self.options.batch)]
        with (
            KeptClip(self.clip, self.options.precision) as kept,
            Progress("captions, attention, CLIP", len(self.dataset), unit="pictures") as progress,
            ThreadPoolExecutor(self.options.workers) as pool,
        ):
            missing = {todo[place].index for place in kept.missing(keys)}

            def load(item: Item) -> _Loaded:
                return self._load(item, embed=item.index in missing)

            progress.restart_from(len(done))
            for batch in ahead(pool, load, batches):
                writer.add_captioned(self._caption(batch))
                vectors = self._embed(batch, key_of, kept)
                writer.add_embeddings([(picture.item.index, row) for picture, row in zip(batch, vectors, strict=True)])
                progress.update(len(batch))

    def _load(self, item: Item, *, embed: bool = True) -> _Loaded:
        image = load_image(self.dataset.file(item))
        pixels = self.captioner.preprocess.pixels(image)
        return _Loaded(item, image.size, pixels, self.clip.preprocess(image) if embed else None, make_preview(image))

    def _embed(self, batch: Sequence[_Loaded], key_of: Mapping[int, bytes], kept: KeptClip) -> NDArray[np.float32]:
        """The pictures' CLIP embeddings [batch, dim]; new ones are kept, for other runs on the same pictures."""
        new = [(picture, picture.clip_input) for picture in batch if picture.clip_input is not None]
        if new:
            with autocast(self.device, self.options.precision):
                vectors = self.clip.embed_images(torch.stack([pixels for _, pixels in new])).numpy()
            rows = zip(new, vectors, strict=True)
            found = [Embedded(vector, *picture.size, picture.preview) for (picture, _), vector in rows]
            kept.add([key_of[picture.item.index] for picture, _ in new], found)
        return kept.vectors(key_of[picture.item.index] for picture in batch)

    @torch.inference_mode()
    def _caption(self, batch: Sequence[_Loaded]) -> list[Captioned]:
        captioner = self.captioner
        pixels = torch.from_numpy(np.stack([picture.pixels for picture in batch]))
        with autocast(self.device, self.options.precision):
            memory = captioner.encode(captioner.preprocess.normalise(pixels.to(self.device)))
            best = [hypotheses[0].token_ids for hypotheses in decode(captioner, memory, self.options.decoding)]
            looked = look(captioner, memory, best)
        rows = []
        for picture, ids, seen in zip(batch, best, looked, strict=True):
            decoded = captioner.tokenizer.decode(ids)
            row = Captioned(
                index=picture.item.index,
                name=picture.item.name,
                path=picture.item.path,
                view=captioner.preprocess.view(picture.size, (memory.rows, memory.cols)),
                caption=decoded.text,
                references=picture.item.references,
                token_ids=ids,
                pieces=decoded.pieces,
                word_of_piece=decoded.word_of_piece,
                words=decoded.words,
                logprobs=tuple(seen.logprobs.tolist()),
                attention=seen.attention.float().cpu().numpy(),
                prefix=memory.prefix,
                preview=picture.preview,
            )
            rows.append(row)
        return rows

    def _scores(
        self, rows: Sequence[CaptionRow], images: Float[Tensor, "picture dim"]
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, float], list[str]]:
        """The second stage: scores of each picture, of the corpus, and remarks."""
        captions = [row.caption for row in rows]
        references = [row.references for row in rows]
        columns, notes = self._clip_scores(captions, references, images)
        columns["logprob"] = np.array([sum(row.logprobs) for row in rows], np.float64)
        corpus = {name: float(np.nanmean(values)) for name, values in columns.items() if name != "logprob"}
        if self.dataset.has_references and self.options.metrics:
            found = evaluate(captions, references, self.options.metrics)
            columns |= {name: np.asarray(values, np.float64) for name, values in found.per_image.items()}
            corpus |= found.corpus
            notes += found.notes
        return {name: columns[name] for name in DESCRIPTIONS if name in columns}, corpus, notes

    def _clip_scores(
        self, captions: Sequence[str], references: Sequence[Sequence[str]], images: Float[Tensor, "picture dim"]
    ) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
        prefix = self.options.prefix
        flat = [text for group in references for text in group]
        with autocast(self.device, self.options.precision):
            texts = self.clip.embed_texts(captions, prefix)
            known = self.clip.embed_texts(flat, prefix) if flat else None
        columns = {"clipscore": clipscore(images, texts).double().numpy()}
        if known is not None:
            groups = list(known.split([len(group) for group in references]))
            columns["refclipscore"] = refclipscore(images, texts, groups).double().numpy()
        cut = self.clip.too_long(captions, prefix)
        notes = [f"{len(cut)} captions were too long for CLIP and were cut"] if cut else []
        return columns, notes

    def _plan(self, captioner_folder: Path) -> dict[str, Any]:
        """What makes this run this run and no other."""
        dataset = self.dataset
        return {
            "dataset": {
                "name": dataset.name,
                "images": str(dataset.root.resolve()),
                "annotations": str(dataset.annotations.resolve()) if dataset.annotations else None,
                "fingerprint": dataset.fingerprint,
                "count": len(dataset),
            },
            "captioner": {
                **checkpoint_identity(captioner_folder),
                **self.captioner.config.to_json(),
                "preprocess": dict(self.captioner.preprocess.to_json()),
            },
            "decoding": dict(self.options.decoding.to_json()),
            "clip": {**self.clip.identity, "prefix": self.options.prefix},
            "metrics": list(self.options.metrics),
            "attention": "exact" if self.options.exact else "u8",
            "precision": self.options.precision,
        }


def _versions() -> dict[str, str]:
    names = ("hw3-browse", "torch", "timm", "open_clip_torch", "pycocoevalcap", "numpy", "pillow", "tokenizers")
    return {name: version(name) for name in names}
