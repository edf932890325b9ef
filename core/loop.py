"""What both training loops share: learning rate, randomness of a step, state of an interrupted run, log."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..cache.errors import CheckpointError, UsageError
from ..cache.files import replace_file


def learning_rate(step: int, total: int, warmup: float) -> float:
    """Share of the peak rate at `step`: a linear rise over the share `warmup`, then a cosine to a hundredth."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def seeded(seed: int, step: int) -> np.random.Generator:
    """A step's own generator; torch's global one (dropout, fresh weights) is seeded from it."""
    rng = np.random.default_rng([seed, step])
    torch.manual_seed(int(rng.integers(2**31)))
    return rng


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential moving average for `torch.optim.swa_utils.AveragedModel`.

    The n-th update keeps ``min(decay, n / (9 + n))`` of the average, so that the first steps of a short run, when the
    weights know nothing yet, are soon forgotten.
    """

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - kept)
            else:
                mean.copy_(value)

    return update


def recipe(config: Any) -> str:
    """SHA-256 of the settings that decide the outcome: where and how often a run is saved may change on the way."""
    settings = dataclasses.asdict(config)
    for name in ("threads", "device", "save_minutes", "tensorboard"):
        settings["optim"].pop(name, None)
    return hashlib.sha256(json.dumps(settings, default=str, sort_keys=True).encode()).hexdigest()


def read_state(path: Path, wanted: str, device: torch.device) -> dict[str, Any] | None:
    """What an interrupted run has left at `path`, None where there is none.

    Args:
        path: the state file; it has the key ``recipe``.
        wanted: the recipe of the run that wants to go on.
        device: where its tensors go.

    Raises:
        CheckpointError: the file is damaged.
        UsageError: it belongs to a run with other settings.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        found = state["recipe"]
    except Exception as error:  # a damaged archive raises anything from zipfile's to pickle's errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: damaged; remove it to train from the beginning ({reason})") from error
    if found != wanted:
        raise UsageError(f"{path.parent}: holds a run with other settings; choose another folder or remove it")
    return state


class Log:
    """``log.jsonl``: a line an epoch. Lines behind the step that a run goes on from are taken back."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self._rows = [row for row in map(json.loads, lines) if row["step"] <= step]

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a line; the file is whole at any time."""
        self._rows.append(dict(row))
        replace_file(self._path, "".join(json.dumps(row) + "\n" for row in self._rows).encode())
