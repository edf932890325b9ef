"""What a card could do at most: its datasheet, and a large matrix product measured now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from measuring.clocks import once
from torch.utils.flop_counter import FlopCounterMode

DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

# TFLOP/s of NVIDIA's datasheets, without sparsity: bf16 and fp16 (tensor cores), fp32 (without TF32). The first name
# that is part of the card's counts.
_DATASHEETS: Final = {
    "H200": (989.4, 67.0),
    "H100 PCIe": (756.0, 51.0),
    "H100": (989.4, 67.0),
    "A100": (312.0, 19.5),
    "L40S": (362.0, 91.6),
    "L4": (121.0, 30.3),
}
_SIDE: Final = 8192
_SIDE_CPU: Final = 512


def device_name(device: torch.device) -> str:
    """The card's name, or that there is none."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, no card"


def datasheet(name: str, precision: str) -> float | None:
    """TFLOP/s of the datasheet, None for a card whose datasheet is not known here."""
    for part, (half, single) in _DATASHEETS.items():
        if part in name:
            return single if precision == "fp32" else half
    return None


def matmul_peak(device: torch.device, precision: str, repeat: int = 10) -> float:
    """TFLOP/s of a large product of random matrices, the best of some: what the card really gives."""
    side = _SIDE if device.type == "cuda" else _SIDE_CPU
    a, b = (torch.randn(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
    return 2e-12 * side**3 / min(once(lambda: a @ b)[0] for _ in range(repeat))


def flops(work: Callable[[], object]) -> int:
    """Floating point operations of the matrix products, convolutions and attentions of some work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
