"""Which device the models run on, and in which precision."""

from __future__ import annotations

import torch

from ..cache.errors import UsageError


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; auto takes a GPU where torch sees one.

    Raises:
        UsageError: the name is unknown, or there is no such GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device {name}: no such device; use auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name}: torch sees {torch.cuda.device_count()} GPUs here; use cpu or auto")
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for ``fp16`` or ``bf16``, none for ``fp32``."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")
