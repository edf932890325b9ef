"""Dropout that costs little on a CPU.

Contract: as `torch.nn.Dropout`, with its randomness from torch's global generator. On a GPU it is torch's own. On a CPU
torch draws number by number, which took a fifth of a decoder's training step in bf16; NumPy's SFC64, seeded by one
number of torch's generator, gives the same kind of mask several times as fast (``benchmarks/training.py``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

_RANGE: Final = 2**16  # 16 random bits a number: the probability is kept to 1/65,536


class Dropout(nn.Dropout):
    """Zeroes numbers with probability `p` in training and scales the others by what makes up for it."""

    def forward(self, input: Float[Tensor, "..."]) -> Float[Tensor, "..."]:  # noqa: A002 (torch's name)
        """See `torch.nn.Dropout`."""
        if not self.training or self.p == 0 or input.device.type != "cpu":
            return super().forward(input)
        dropped = round(self.p * _RANGE)
        if dropped >= _RANGE:
            return input * 0.0
        seed = int(torch.randint(2**62, ()))
        numbers = np.random.Generator(np.random.SFC64(seed)).integers(_RANGE, size=input.shape, dtype=np.uint16)
        kept = torch.from_numpy(numbers >= dropped)
        return input * kept.to(input.dtype).mul_(_RANGE / (_RANGE - dropped))
