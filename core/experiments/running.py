"""Four training runs on drawn scenes and a cache of each.

Contract of the folder: ``scenes/`` the drawn pictures, ``encoder.safetensors`` the bundled encoder in timm's layout,
``runs/NAME/`` the training runs, ``caches/NAME/`` their captions of the validation scenes with all scores. Whatever is
finished is not done again; what was interrupted goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..demo import recipe
from ..demo.dataset import write_dataset

if TYPE_CHECKING:
    from ..train_config import TrainConfig

HERE: Final = Path(__file__).parent
SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "best": ("encoder.weights={encoder}",),
    "not_pretrained": (),
    "eight_layers": ("encoder.weights={encoder}", "decoder.layers=8"),
    "encoder_not_frozen": ("encoder.weights={encoder}", "optim.freeze_encoder=false"),
}
"""What each setting changes in ``base.toml``; the names are those of ``configs/``."""

Command = Callable[[Sequence[str]], int]


def run_experiments(folder: Path, scenes: int, overrides: Sequence[str], hw3: Command) -> list[Path]:
    """Draw the scenes, train the settings and evaluate them; the folders of training runs and caches.

    Args:
        folder: gets everything.
        scenes: how many to learn from; the bundled validation scenes are what is captioned.
        overrides: settings ``a.b=value`` laid over all four.
        hw3: runs a command line of ``hw3``.

    Raises:
        UsageError: `folder` holds experiments with other settings or scenes.
    """
    from ..training import train  # noqa: PLC0415 (torch)

    drawn = _scenes(folder, scenes)
    encoder = _bundled_encoder(folder / "encoder.safetensors")
    found = []
    for number, name in enumerate(SETTINGS, start=1):
        print(f"setting {number} of {len(SETTINGS)}: {name}", file=sys.stderr)
        run, cache = folder / "runs" / name, folder / "caches" / name
        train(_config(name, drawn, encoder, overrides), run)  # a finished run is only looked at
        if not (cache / "manifest.json").is_file():
            _evaluate(run / "best", cache, hw3)
        found += [run, cache]
    return found


def _scenes(folder: Path, count: int) -> Path:
    """The drawn scenes to learn from, `count` of them in a folder of that name."""
    scenes = folder / "scenes" / str(count)
    if not (scenes / "train.json").is_file():
        print(f"drawing {count:,} scenes", file=sys.stderr)
        write_dataset(scenes, count, 0, recipe.SEED, workers=os.cpu_count() or 1)
    return scenes


def _bundled_encoder(path: Path) -> Path:
    """The bundled captioner's encoder as a file of timm weights."""
    if not path.is_file():
        from safetensors.torch import load_file, save_file  # noqa: PLC0415 (torch)

        from ...cache.files import replacing  # noqa: PLC0415

        whole = load_file(recipe.BUNDLE / recipe.CAPTIONER / "model.safetensors")
        prefix = "encoder.model."
        weights = {name.removeprefix(prefix): value.float() for name, value in whole.items() if name.startswith(prefix)}
        with replacing(path) as temporary:
            save_file(weights, temporary)
    return path


def _config(name: str, scenes: Path, encoder: Path, overrides: Sequence[str]) -> TrainConfig:
    from ..config import build, read_toml  # noqa: PLC0415
    from ..train_config import TrainConfig  # noqa: PLC0415

    data = [
        f"data.train_images={scenes / 'images' / 'train'}",
        f"data.train_annotations={scenes / 'train.json'}",
        f"data.val_images={recipe.BUNDLE / recipe.IMAGES}",
        f"data.val_annotations={recipe.BUNDLE / recipe.ANNOTATIONS}",
    ]
    changes = [change.format(encoder=encoder) for change in SETTINGS[name]]
    return build(TrainConfig, read_toml(HERE / "base.toml", [*data, *changes, *overrides]))


def _evaluate(checkpoint: Path, cache: Path, hw3: Command) -> None:
    """Caption the bundled scenes greedily and score the captions, with the bundled CLIP."""
    here = recipe.BUNDLE
    data = [str(here / recipe.IMAGES), str(here / recipe.ANNOTATIONS)]
    models = ["--captioner", str(checkpoint), "--clip", str(here / recipe.CLIP)]
    if hw3(["precompute", *data, *models, "--out", str(cache)]):
        raise RuntimeError(f"{cache}: the evaluation failed")
