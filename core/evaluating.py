"""Scores of captions of any origin: against references, against the pictures by CLIP, and of the captions alone.

Contract: the figures are those of `hw3 precompute` for the same captions. Pictures are embedded once by a CLIP, for all
commands (`kept_clip`); so are texts. What is missing (references, pictures, a Java) is said in the notes.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..cache.errors import DatasetError, UsageError
from ..cache.files import replace_file
from ..cache.text import printable
from .clip import Clip
from .clip_scores import clipscore, refclipscore
from .clip_text import prefixed
from .datasets import Columns, Dataset, open_references
from .device import autocast
from .kept_clip import KeptClip
from .metrics.diversity import diversity
from .metrics.evaluate import METRICS, evaluate
from .metrics.java import JavaError
from .metrics.ptb import tokenize
from .predictions import Matched
from .progress import Progress
from .zeroshot.classify import embed_pictures

_TEXTS_AT_ONCE: Final = 1024


@dataclass(frozen=True)
class Options:
    """How captions are scored.

    Attributes:
        metrics: Reference metrics, of `METRICS`.
        prefix: Put before captions and references for CLIP; the CLIPScore paper has "A photo depicts".
        precision: Of CLIP: fp32, fp16 or bf16.
        batch: Pictures at once.
        workers: Threads that read pictures.
    """

    metrics: tuple[str, ...] = METRICS
    prefix: str = ""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    batch: int = 64
    workers: int = 2


@dataclass(frozen=True)
class Scores:
    """What was found.

    Attributes:
        corpus: Score name to the score of all captions together.
        per_picture: Score name to the score of each picture, NaN where it is undefined.
        notes: What a reader must know about these figures, a sentence each.
    """

    corpus: Mapping[str, float]
    per_picture: Mapping[str, Float[np.ndarray, " picture"]]
    notes: tuple[str, ...]


def score(
    matched: Matched, dataset: Dataset, clip: Clip | None, options: Options, training: Sequence[str] | None = None
) -> Scores:
    """Score captions.

    Args:
        matched: Pictures and their captions.
        dataset: The dataset that the pictures are of.
        clip: For CLIPScore; None leaves it out.
        options: How.
        training: Captions that the captioner has learnt from: the others are novel.

    Raises:
        DatasetError: A picture cannot be read.
        JavaError: Java is missing or broken, and references are to be compared with.
    """
    columns: dict[str, Float[np.ndarray, " picture"]] = {}
    notes = [*dataset.notes, *matched.notes]
    if clip is not None:
        columns, cut = _clip_columns(matched, dataset, clip, options)
        notes += cut
    corpus = {name: float(np.nanmean(values)) for name, values in columns.items()}
    tokens = None
    with Progress("scores", None, unit="captions") as progress:
        if options.metrics and any(item.references for item in matched.items):
            found = evaluate(matched.captions, [item.references for item in matched.items], options.metrics)
            columns |= found.per_image
            corpus |= found.corpus
            notes += found.notes
            tokens = found.tokens
        spread, remarks = _diversity(tokens, matched.captions, training)
        progress.update(len(matched.captions))
    return Scores(corpus | spread, columns, (*notes, *remarks))


def training_captions(annotations: Path, columns: Columns | None = None) -> list[str]:
    """Return the captions of a file's training split, or all of them where it has no splits.

    Raises:
        DatasetError: It cannot be read, or has no captions.
    """
    try:
        dataset = open_references(annotations, split="train", columns=columns)
    except UsageError:
        dataset = open_references(annotations, columns=columns)
    if not dataset.has_references:
        raise DatasetError(f"{printable(str(annotations))} has no captions")
    return [text for item in dataset for text in item.references]


def write_json(path: Path, scores: Scores, about: Mapping[str, Any]) -> None:
    """Write the scores of all captions together, and what they are of.

    Raises:
        DatasetError: It cannot be written.
    """
    corpus = {name: value if math.isfinite(value) else None for name, value in scores.corpus.items()}
    content = {"scores": corpus, **about, "notes": list(scores.notes)}
    _write(path, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, matched: Matched, scores: Scores) -> None:
    """Write a row a picture: its name, its file, its caption, and its scores, nothing where one is undefined.

    Raises:
        DatasetError: It cannot be written.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("name", "path", "caption", *scores.per_picture))
    for place, (item, caption) in enumerate(zip(matched.items, matched.captions, strict=True)):
        values = (float(column[place]) for column in scores.per_picture.values())
        cells = (value if math.isfinite(value) else "" for value in values)
        writer.writerow((printable(item.name), printable(item.path), printable(caption), *cells))
    _write(path, stream.getvalue())


def _clip_columns(
    matched: Matched, dataset: Dataset, clip: Clip, options: Options
) -> tuple[dict[str, Float[np.ndarray, " picture"]], list[str]]:
    """Return CLIPScore and, with references, RefCLIPScore; and a note about captions that were cut."""
    pictures = replace(dataset, items=tuple(replace(item, index=place) for place, item in enumerate(matched.items)))
    captions = prefixed(matched.captions, options.prefix)
    references = [prefixed(item.references, options.prefix) for item in matched.items]
    with KeptClip(clip, options.precision) as kept:
        keys = embed_pictures(
            pictures, clip, kept, precision=options.precision, batch=options.batch, workers=options.workers
        )
        images = torch.from_numpy(kept.vectors(keys))
        flat = [text for group in references for text in group]
        _embed_texts([*captions, *flat], clip, kept, options.precision)
        texts = torch.from_numpy(kept.text_vectors(captions))
        columns = {"clipscore": clipscore(images, texts).double().numpy()}
        if flat:
            known: Float[Tensor, "text dim"] = torch.from_numpy(kept.text_vectors(flat))
            groups = list(known.split([len(group) for group in references]))
            columns["refclipscore"] = refclipscore(images, texts, groups).double().numpy()
    cut = clip.too_long(captions)
    were = "caption was" if len(cut) == 1 else "captions were"
    return columns, [f"{len(cut):,} {were} too long for CLIP and cut"] if cut else []


def _embed_texts(texts: Sequence[str], clip: Clip, kept: KeptClip, precision: str) -> None:
    absent = kept.missing_texts(texts)
    if not absent:
        return
    with Progress("captions by CLIP", len(absent), unit="texts") as progress:
        for start in range(0, len(absent), _TEXTS_AT_ONCE):
            chunk = absent[start : start + _TEXTS_AT_ONCE]
            with autocast(clip.device, precision):
                kept.add_texts(chunk, clip.embed_texts(chunk).numpy())
            progress.update(len(chunk))


def _diversity(
    tokens: Sequence[str] | None, captions: Sequence[str], training: Sequence[str] | None
) -> tuple[dict[str, float], list[str]]:
    """Return the figures of the captions alone, and a note where there are none."""
    try:
        known = None if training is None else tokenize(training)
        return diversity(tokenize(captions) if tokens is None else tokens, known), []
    except JavaError as error:
        return {}, [f"no figures of diversity: {error}"]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise DatasetError(f"cannot write {printable(str(path))}: {error.strerror}") from error
