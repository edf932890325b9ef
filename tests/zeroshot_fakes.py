"""Small zero-shot runs for tests: the real writer, made-up probabilities, pictures on disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hw3_browse.cache.zeroshot import Comparison, Guesses, Label, Manifest, Picture, Prompt, write_run
from hw3_browse.cache.zeroshot.schema import FORMAT_VERSION, MOST_GUESSES
from hw3_browse.core.zeroshot.statistics import compare, summarise

NAMES = ("dog", "cat", "teddy bear", "apple", "fire truck", "sheep", "kite")
TEMPLATES = ("This is a photo of {object}", "This is a {object} image.", "No {object}, no score.")


def made_up(count: int, labels: int, truth: np.ndarray, seed: int = 0, sharpness: float = 3.0) -> Guesses:
    """Probabilities that lean to the true class."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, labels)) * 1.5
    logits[np.arange(count), truth] += sharpness * (truth >= 0)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    order = np.argsort(-chances, axis=1, kind="stable")[:, : min(MOST_GUESSES, labels)]
    top = np.take_along_axis(chances, order, axis=1)
    known = truth >= 0
    true = np.where(known, chances[np.arange(count), truth], np.nan)
    rank = np.where(known, 1 + (chances > true[:, None]).sum(axis=1), 0).astype(np.int32)
    margin = top[:, 0] - top[:, 1] if labels > 1 else top[:, 0]
    return Guesses(order.astype(np.int32), top.astype(np.float32), margin, true, rank)


def make_zeroshot_run(
    folder: Path,
    count: int = 12,
    *,
    names: Sequence[str] = NAMES,
    templates: Sequence[str] = TEMPLATES,
    unknown: Sequence[int] = (),
    images: Path | None = None,
    seed: int = 0,
    **plan: Any,
) -> Path:
    """Write a run of `count` pictures; those in `unknown` have no true class.

    Args:
        images: Where the pictures are written, `{class id}_{number}.png`; previews alone where None.
    """
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % len(names)
    truth[list(unknown)] = -1
    pictures, previews = [], []
    for index, label in enumerate(truth.tolist()):
        stem = f"{label}_{index}" if label >= 0 else f"stray_{index}"
        size = ((32, 32), (60, 40), (40, 60))[index % 3]
        image = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size)
        if images is not None:
            images.mkdir(parents=True, exist_ok=True)
            image.save(images / f"{stem}.png")
        buffer = io.BytesIO()
        image.save(buffer, "JPEG")
        previews.append(buffer.getvalue())
        pictures.append(Picture(stem, f"{stem}.png", *size, label if label >= 0 else None))
    guesses = [made_up(count, len(names), truth, seed + place, 3.0 - place) for place in range(len(templates))]
    known = bool((truth >= 0).any())
    prompts = tuple(
        Prompt(
            name=template,
            templates=(template,),
            texts=tuple(template.replace("{object}", name) for name in names),
            summary=summarise(found, truth, len(names)) if known else None,
        )
        for template, found in zip(templates, guesses, strict=True)
    )
    comparisons: tuple[Comparison, ...] = compare(guesses, truth) if known else ()
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        created="2026-01-01T00:00:00+00:00",
        plan={"dataset": {"name": "made-up", "images": str(images) if images else None}, "clip": {"model": "none"}}
        | plan,
        count=count,
        labels=tuple(Label(str(place), name) for place, name in enumerate(names)),
        prompts=prompts,
        comparisons=comparisons,
        logit_scale=100.0,
        versions={"hw3-browse": "0"},
        files={},
        notes=(),
    )
    return write_run(folder, manifest, pictures, guesses, previews)
