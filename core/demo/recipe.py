"""Where the bundled world lies, and how it is made anew.

Contract: `BUNDLE` holds 200 validation pictures with references and true boxes, a captioner and a CLIP, all fp16.
`rebuild` repeats the recipe: draw the scenes, train CLIP and captioner by ``clip.toml`` and ``captioner.toml`` (the
product's own training code), and lay the result out as a bundle. Every step that is finished is not repeated.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .dataset import write_dataset

if TYPE_CHECKING:
    from ..captioner import Captioner

HERE = Path(__file__).parent
BUNDLE = HERE / "bundle"
SEED = 2026
TRAIN_SCENES = 20_000
VAL_SCENES = 200

IMAGES = "scenes/images/val"
ANNOTATIONS = "scenes/val.json"
INSTANCES = "scenes/instances_val.json"
CAPTIONER = "captioner"
CLIP = "clip"


def rebuild(
    folder: Path, *, train_scenes: int = TRAIN_SCENES, val_scenes: int = VAL_SCENES, overrides: Sequence[str] = ()
) -> Path:
    """Draw, train and lay out below `folder`; the new bundle's folder.

    Args:
        folder: gets ``scenes/``, ``clip-run/``, ``captioner-run/`` (1.5 GB) and ``bundle/`` (15 MB).
        train_scenes: scenes to learn from.
        val_scenes: scenes of the bundle.
        overrides: settings ``a.b=value`` laid over both recipes; fewer scenes and epochs make a trial run.
    """
    scenes, bundle = folder / "scenes", folder / "bundle"
    if not (scenes / "train.json").is_file():
        write_dataset(scenes, train_scenes, val_scenes, SEED, workers=os.cpu_count() or 1)
    captioner, clip = _train(scenes, folder, overrides)
    shutil.copytree(folder / IMAGES, bundle / IMAGES, dirs_exist_ok=True)
    for name in (ANNOTATIONS, INSTANCES):
        shutil.copy(folder / name, bundle / name)
    captioner.save(bundle / CAPTIONER, half=True)
    shutil.copytree(clip, bundle / CLIP, dirs_exist_ok=True, ignore=shutil.ignore_patterns("state.pt", "log.jsonl"))
    return bundle


def _train(scenes: Path, folder: Path, overrides: Sequence[str]) -> tuple[Captioner, Path]:
    """Train both models on `scenes`; the captioner and the CLIP's folder."""
    from ..captioner import Captioner  # noqa: PLC0415 (torch)
    from ..clip_config import ClipTrainConfig  # noqa: PLC0415
    from ..clip_training import train_clip  # noqa: PLC0415
    from ..config import build, read_toml  # noqa: PLC0415
    from ..train_config import TrainConfig  # noqa: PLC0415
    from ..training import train  # noqa: PLC0415

    data = [
        f"data.{split}_{what}={scenes / place}"
        for split in ("train", "val")
        for what, place in (("images", f"images/{split}"), ("annotations", f"{split}.json"))
    ]
    settings = [*data, *overrides]
    clip = train_clip(ClipTrainConfig.from_mapping(read_toml(HERE / "clip.toml", settings)), folder / "clip-run")
    best = train(build(TrainConfig, read_toml(HERE / "captioner.toml", settings)), folder / "captioner-run")
    return Captioner.load(best), clip
