"""The bundled world's problem 1: its CLIP classifies pictures of single things by the three prompts of the report.

Contract: `classify_things` gives the zero-shot run, made only where it is not there yet or older than what it is made
of. The pictures are drawn into the user's data folder, since they are made quicker than they would be unpacked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ...cache.errors import CacheError
from ...cache.schema import MANIFEST_FILE
from ...cache.zeroshot import ZeroShotRun
from . import portraits, recipe

PROMPTS: Final = ("This is a photo of {object}", "This is a {object} image.", "No {object}, no score.")


def classify_things(folder: Path, things: Path, *, fresh: bool = False) -> Path:
    """Draw the pictures and classify them, what is done already excepted; `folder`.

    Args:
        folder: Of the run; another zero-shot run there is replaced.
        things: Of the pictures: gets `val/` and `id2label.json`, in the assignment's layout.
        fresh: Do both again.

    Raises:
        CacheError: `folder` holds something else, or the disk refuses.
    """
    labels = things / portraits.LABELS
    if fresh or not _is_newer(labels, Path(portraits.__file__)):
        portraits.write_portraits(things, recipe.SEED)
    if fresh or not _is_done(folder, labels):
        _classify(things, folder)
    return folder


def _classify(things: Path, folder: Path) -> None:
    from ..clip import ClipSpec  # noqa: PLC0415 (torch)
    from ..datasets import open_folders  # noqa: PLC0415
    from ..zeroshot.labels import read_labels  # noqa: PLC0415
    from ..zeroshot.prompts import single  # noqa: PLC0415
    from ..zeroshot.run import Task, classify  # noqa: PLC0415

    source = things / portraits.LABELS
    prompts = tuple(single(prompt) for prompt in PROMPTS)
    task = Task(open_folders(things / portraits.IMAGES), read_labels(source), prompts, source)
    classify(task, ClipSpec(str(recipe.BUNDLE / recipe.CLIP)), folder)


def _is_done(folder: Path, labels: Path) -> bool:
    """Whether `folder` is a run of these pictures by the bundled CLIP."""
    weights = recipe.BUNDLE / recipe.CLIP / "open_clip_model.safetensors"
    if not all(_is_newer(folder / MANIFEST_FILE, source) for source in (labels, weights)):
        return False
    try:
        with ZeroShotRun.open(folder) as run:
            return [prompt.templates for prompt in run.prompts] == [(prompt,) for prompt in PROMPTS]
    except CacheError:
        return False


def _is_newer(made: Path, source: Path) -> bool:
    """Whether a file is there and not older than what it is made of, as `make` asks."""
    try:
        return made.stat().st_mtime_ns >= source.stat().st_mtime_ns
    except FileNotFoundError:
        return False
