"""One zero-shot run from end to end: embed, classify, judge, write (`cache.zeroshot`), and the assignment's CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import UsageError
from ...cache.files import replace_file
from ...cache.text import printable
from ...cache.zeroshot import Guesses, Label, Manifest, Picture, Prompt, ZeroShotRun, write_run
from ...cache.zeroshot.schema import FORMAT_VERSION
from ..clip import Clip, ClipSpec
from ..datasets import Dataset
from ..device import choose_device
from ..embedding import embed_pictures
from ..kept_clip import KeptClip
from .classify import embed_prompts, guess
from .labels import Truth, find_truth
from .prompts import PromptSpec, fill
from .statistics import compare, summarise


@dataclass(frozen=True)
class Options:
    """How to classify.

    Attributes:
        articles: Make "a" and "an" before a class right.
        truth: Where the pictures' true classes are looked for, see `labels.find_truth`.
        batch: Pictures at once.
        workers: Threads that read pictures.
        device: See `choose_device`.
        precision: fp32, fp16 or bf16.
    """

    articles: bool = False
    truth: Truth = "auto"
    batch: int = 64
    workers: int = 2
    device: str = "auto"
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"


@dataclass(frozen=True)
class Task:
    """What to classify.

    Attributes:
        dataset: The pictures.
        labels: The classes.
        prompts: At least one.
        source: Where the classes came from, for the record.
    """

    dataset: Dataset
    labels: tuple[Label, ...]
    prompts: tuple[PromptSpec, ...]
    source: Path | None = None


def classify(task: Task, spec: ClipSpec, folder: Path, options: Options | None = None) -> Path:
    """Classify the pictures by every prompt and write the run; its folder.

    Args:
        task: What to classify.
        spec: Which CLIP.
        folder: Where the run will be; another zero-shot run there is replaced.
        options: How.

    Raises:
        CheckpointError: The model cannot be loaded.
        DatasetError: A picture cannot be read; what was embedded is kept.
        CacheError: `folder` holds something else, or the disk refuses.
        UsageError: The true classes were asked for, and there are none.
    """
    options = options or Options()
    dataset, labels, prompts = task.dataset, task.labels, task.prompts
    truth, notes = find_truth(dataset, labels, options.truth)
    clip = Clip.load(spec, choose_device(options.device))
    precision = options.precision
    with KeptClip(clip, precision) as kept:
        texts = embed_prompts(prompts, labels, clip, kept, articles=options.articles, precision=precision)
        keys = embed_pictures(dataset, clip, kept, precision=precision, batch=options.batch, workers=options.workers)
        images, scale = kept.vectors(keys), clip.logit_scale
        guesses = [guess(images, own, scale, truth) for own in texts]
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            plan=_plan(task, clip, options),
            count=len(dataset),
            labels=labels,
            prompts=_judged(prompts, labels, guesses, truth, articles=options.articles),
            comparisons=compare(guesses, truth) if (truth >= 0).any() else (),
            logit_scale=scale,
            versions=_versions(),
            files={},
            notes=(*notes, *_cut(prompts, labels, clip, articles=options.articles)),
        )
        pictures = [
            Picture(item.name, item.path, found.width, found.height, None if label < 0 else label)
            for item, found, label in zip(dataset, kept.pictures(keys), truth.tolist(), strict=True)
        ]
        return write_run(folder, manifest, pictures, guesses, (found.preview for found in kept.pictures(keys)))


def write_csv(run: ZeroShotRun, prompt: int, path: Path) -> None:
    """Write the assignment's file: `filename,label`, a row a picture by path, the label being the class's id.

    Raises:
        UsageError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("filename", "label"))
    ids = [label.id for label in run.manifest.labels]
    files = run.texts("path").to_pylist()
    writer.writerows((file, ids[label]) for file, label in zip(files, run.predicted(prompt).tolist(), strict=True))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.getvalue().encode())
    except OSError as error:
        raise UsageError(f"cannot write {printable(str(path))}: {error.strerror}") from error


def _judged(
    prompts: Sequence[PromptSpec],
    labels: Sequence[Label],
    guesses: Sequence[Guesses],
    truth: NDArray[np.int32],
    *,
    articles: bool,
) -> tuple[Prompt, ...]:
    known = bool((truth >= 0).any())
    return tuple(
        Prompt(
            name=prompt.name,
            templates=prompt.templates,
            texts=tuple(
                label.name if prompt.is_ensemble else fill(prompt.templates[0], label.name, articles=articles)
                for label in labels
            ),
            summary=summarise(found, truth, len(labels)) if known else None,
        )
        for prompt, found in zip(prompts, guesses, strict=True)
    )


def _cut(prompts: Sequence[PromptSpec], labels: Sequence[Label], clip: Clip, *, articles: bool) -> list[str]:
    texts = [
        fill(template, label.name, articles=articles)
        for prompt in prompts
        for template in prompt.templates
        for label in labels
    ]
    cut = len(clip.too_long(texts))
    return [f"{cut:,} of {len(texts):,} prompts were too long for CLIP and were cut"] if cut else []


def _plan(task: Task, clip: Clip, options: Options) -> dict[str, object]:
    """What was run on what."""
    dataset = task.dataset
    return {
        "dataset": {
            "name": dataset.name,
            "images": str(dataset.root.resolve()),
            "fingerprint": dataset.fingerprint,
            "count": len(dataset),
        },
        "clip": dict(clip.identity),
        "labels": str(task.source.resolve()) if task.source else None,
        "articles": options.articles,
        "truth": options.truth,
        "precision": options.precision,
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("hw3-browse", "torch", "open_clip_torch", "numpy", "pillow")}
