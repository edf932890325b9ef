"""Attention for training on a CPU: plain matrix products in place of torch's fused kernel.

The fused kernel never has all weights in memory, which pays for long sequences. Captions are short, and on a CPU its
way back through them, in bf16, took several times what plain products take. (In fp32 both are alike;
``benchmarks/training.py`` has the ratios.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode


class PlainProducts(TorchFunctionMode):
    """A context in which attention with gradients on a CPU is made of plain products; all else is as it was.

    Attention with a mask, a scale or a dropout of its own is left to the fused function.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and _plain(*args, **kwargs):
            return attention(*args, is_causal=kwargs.get("is_causal", False))
        return func(*args, **kwargs)


def attention(
    query: Float[Tensor, "batch head query channel"],
    key: Float[Tensor, "batch head position channel"],
    value: Float[Tensor, "batch head position channel"],
    *,
    is_causal: bool = False,
) -> Float[Tensor, "batch head query channel"]:
    """What `torch.nn.functional.scaled_dot_product_attention` gives, by its formula; softmax in float32."""
    scores = query @ (key / math.sqrt(query.shape[-1])).transpose(-2, -1)
    if is_causal:
        hidden = torch.full(scores.shape[-2:], -torch.inf, dtype=scores.dtype, device=scores.device).triu(1)
        scores = scores + hidden
    return scores.float().softmax(dim=-1).to(value.dtype) @ value


def _plain(query: Tensor, *others: Tensor, dropout_p: float = 0.0, is_causal: bool = False, **further: Any) -> bool:
    """Whether a call of the fused function is one that plain products stand in for."""
    del is_causal
    with_gradients = torch.is_grad_enabled() and query.requires_grad and query.device.type == "cpu"
    return with_gradients and len(others) == 2 and dropout_p == 0 and not further  # noqa: PLR2004 (key and value)
