"""Captions of any origin, matched with pictures: their scores, and those as files.

Contract: the scores are those of `hw3 precompute` for the same captions, since `scoring` makes both. Pictures are
embedded once by a CLIP, for all commands (`kept_clip`).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..cache.errors import DatasetError, UsageError
from ..cache.files import replace_file
from ..cache.text import printable
from . import scoring
from .clip import Clip
from .datasets import Columns, Dataset, open_references
from .embedding import embed_pictures
from .kept_clip import KeptClip
from .metrics.evaluate import METRICS
from .predictions import Matched
from .scoring import Scores, Seen, Texts


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
    texts = Texts(matched.captions, [item.references for item in matched.items], training)
    seen = None if clip is None else _seen(matched, dataset, clip, options)
    found = scoring.score(texts, options.metrics, seen)
    return replace(found, notes=(*dataset.notes, *matched.notes, *found.notes))


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


def _seen(matched: Matched, dataset: Dataset, clip: Clip, options: Options) -> Seen:
    """Return the pictures of the captions, in their order."""
    pictures = replace(dataset, items=tuple(replace(item, index=place) for place, item in enumerate(matched.items)))
    how = options.precision
    with KeptClip(clip, how) as kept:
        keys = embed_pictures(pictures, clip, kept, precision=how, batch=options.batch, workers=options.workers)
        return Seen(clip, kept.vectors(keys), options.prefix, how)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise DatasetError(f"cannot write {printable(str(path))}: {error.strerror}") from error
