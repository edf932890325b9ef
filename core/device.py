"""Which device the models run on, in which precision, and how the process keeps its memory."""

from __future__ import annotations

import ctypes

import torch

from ..cache.errors import UsageError
from .distributed import world

_M_TRIM_THRESHOLD = -1  # of malloc.h
_M_MMAP_MAX = -4


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; auto takes a GPU where torch sees one.

    Processes that share a machine (`distributed.world`) share its GPUs out where none is named.

    Raises:
        UsageError: the name is unknown, or there is no such GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device {name}: no such device; use auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name}: torch sees {torch.cuda.device_count()} GPUs here; use cpu or auto")
    if name == "cuda" and world().size > 1:
        device = torch.device("cuda", world().local_rank % torch.cuda.device_count())
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # what names no device, in a library for instance, takes the same
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for ``fp16`` or ``bf16``, none for ``fp32``."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")


def keep_freed_memory() -> bool:
    """Let glibc keep what torch frees instead of handing it back to the kernel; whether the C library takes it.

    Each batch on a CPU frees tensors of tens of megabytes and asks for the same again. By default glibc unmaps them,
    and the kernel clears every page anew: measured, half of the time of `hw3 precompute`. Call it once, at the start
    of a process that ends with its work; elsewhere than on glibc it does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    never_map = mallopt(_M_MMAP_MAX, 0)
    never_trim = mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    return bool(never_map and never_trim)
