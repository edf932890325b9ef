"""``run.json``: what a training run was, what it runs on, and how far and how well it came.

Contract: written at the start, at each validation and at the end, whole at any time. It has ``settings`` (all of
them, nested as in the TOML file), ``versions``, ``device``, ``step`` of ``steps``, ``seconds`` of training,
``finished``, and for each checkpoint (``best``, ``last``) its ``step``, ``cider`` and ``sha256``, by which caches know
the checkpoint that they were made from.
"""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ...cache.files import replace_file
from ..identity import checkpoint_identity
from ..train_config import TrainConfig

RUN_FILE: Final = "run.json"
FORMAT: Final = "hw3-training"
FORMAT_VERSION: Final = 1
_PACKAGES: Final = ("hw3-browse", "torch", "timm", "tokenizers", "numpy")


class Record:
    """A run's ``run.json``.

    Args:
        folder: of the run.
        config: its settings.
        device: the name of what it runs on.
        steps: all its steps.
    """

    def __init__(self, folder: Path, config: TrainConfig, device: str, steps: int) -> None:
        self._folder = folder
        self._content: dict[str, Any] = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "settings": json.loads(json.dumps(dataclasses.asdict(config), default=str)),
            "versions": _versions(),
            "device": device,
            "steps": steps,
            "checkpoints": {},
        }

    def checkpoint(self, name: str, step: int, cider: float) -> dict[str, Any]:
        """Note that the checkpoint `name` was saved; what is noted."""
        noted = {"step": step, "cider": cider, "sha256": checkpoint_identity(self._folder / name)["sha256"]}
        self._content["checkpoints"][name] = noted
        return noted

    @property
    def checkpoints(self) -> dict[str, Any]:
        """What is noted of the checkpoints; a run that goes on puts back what it knew."""
        noted: dict[str, Any] = self._content["checkpoints"]
        return noted

    def write(self, step: int, seconds: float) -> None:
        """Write the file."""
        content = self._content | {
            "step": step,
            "seconds": round(seconds, 1),
            "finished": step >= self._content["steps"],
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        replace_file(self._folder / RUN_FILE, (json.dumps(content, indent=1) + "\n").encode())


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
