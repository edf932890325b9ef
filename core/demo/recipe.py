"""Where the bundled world lies, and how it is made anew.

Contract: `BUNDLE` holds 200 validation pictures with references and true boxes, a captioner and a CLIP, all fp16.
`rebuild` repeats the recipe: draw the scenes, train CLIP and captioner by ``clip.toml`` and ``captioner.toml`` (the
product's own training code), and lay the result out as a bundle. Every step that is finished is not repeated.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .dataset import write_dataset

HERE = Path(__file__).parent
BUNDLE = HERE / "bundle"
SEED = 2026
TRAIN_SCENES = 20_000
VAL_SCENES = 200

IMAGES = "images/val"
ANNOTATIONS = "val.json"
INSTANCES = "instances_val.json"
CAPTIONER = "captioner"
CLIP = "clip"


def rebuild(folder: Path) -> Path:
    """Draw, train and lay out below `folder`; the new bundle's folder.

    Needs 1.5 GB of disk; takes about an hour and a half on two CPU cores (see the README), minutes on a GPU.
    """
    from ..captioner import Captioner  # noqa: PLC0415 (torch)

    scenes, bundle = folder / "scenes", folder / "bundle"
    if not (scenes / "train.json").is_file():
        write_dataset(scenes, TRAIN_SCENES, VAL_SCENES, SEED, workers=os.cpu_count() or 1)
    captioner, clip = _train(scenes, folder)
    for name in (ANNOTATIONS, INSTANCES):
        (bundle / IMAGES).mkdir(parents=True, exist_ok=True)
        shutil.copy(scenes / name, bundle / name)
    shutil.copytree(scenes / IMAGES, bundle / IMAGES, dirs_exist_ok=True)
    Captioner.load(captioner).save(bundle / CAPTIONER, half=True)
    shutil.copytree(clip, bundle / CLIP, dirs_exist_ok=True)
    return bundle


def _train(scenes: Path, folder: Path) -> tuple[Path, Path]:
    """Train both models on `scenes`; the captioner's and the CLIP's folder."""
    from ..clip_training import ClipTrainConfig, train_clip  # noqa: PLC0415 (torch)
    from ..config import build, read_toml  # noqa: PLC0415
    from ..train_config import TrainConfig  # noqa: PLC0415
    from ..training import train  # noqa: PLC0415

    data = [
        f"data.{split}_{what}={scenes / place}"
        for split in ("train", "val")
        for what, place in (("images", f"images/{split}"), ("annotations", f"{split}.json"))
    ]
    clip = train_clip(ClipTrainConfig.from_mapping(read_toml(HERE / "clip.toml", data)), folder / "clip-run")
    captioner = train(build(TrainConfig, read_toml(HERE / "captioner.toml", data)), folder / "captioner-run")
    return captioner, clip
