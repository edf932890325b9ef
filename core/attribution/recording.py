"""The attention weights of a model that was not written to give them.

Fused attention (`torch.nn.functional.scaled_dot_product_attention`) never has its weights as a whole. `Recording`
stands in its place while it is active: the weights are computed openly, by the formula in torch's documentation, and
kept. So they are what the model itself used, after its rotary positions, norms of queries and keys, and masks, which
hooks on a projection would have to repeat for each family of models.
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

from ..captioner import Captioner
from ..encoder import Memory

EncoderWeights = list[Float[Tensor, "batch *head position position"]]


class Recording(TorchFunctionMode):
    """A context in which the weights of every fused attention are kept, in the order of the calls.

    With gradients enabled each kept tensor is part of the graph (or, where nothing before it has gradients, a leaf), so
    that `torch.autograd.grad` gives gradients with respect to it.

    Attributes:
        weights: ``[batch, head, query, position]`` each, float32, rows sum to 1; a causal mask leaves zeros. With
            `mean`, only their mean over heads, which is a head's size: ``[batch, query, position]``.
    """

    def __init__(self, *, mean: bool = False) -> None:
        super().__init__()
        self._mean = mean
        self.weights: list[Float[Tensor, "batch *head query position"]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        weights, value = _weights(*args, **(kwargs or {}))
        if torch.is_grad_enabled() and not weights.requires_grad:
            weights.requires_grad_()
        self.weights.append(weights.mean(dim=1) if self._mean else weights)
        return weights.to(value.dtype) @ value


def encode_recorded(
    captioner: Captioner, images: Float[Tensor, "batch 3 height width"], *, mean: bool = False
) -> tuple[Memory, EncoderWeights | None]:
    """Encode pictures and keep the encoder's self-attention, or its mean over heads.

    Returns:
        The memory, and the weights of each layer over all tokens of the encoder, class and register tokens first; None
        where the encoder is no plain stack of self-attentions over the same tokens: convolutional, windowed, pooling.
    """
    model: Any = captioner.encoder.model
    layers = len(getattr(model, "blocks", ())) if hasattr(model, "num_prefix_tokens") else 0
    with Recording(mean=mean) as recorded:
        memory = captioner.encode(images)
    if not layers or len(recorded.weights) != layers:
        return memory, None
    tokens = model.num_prefix_tokens + memory.rows * memory.cols
    plain = all(weights.shape[-2:] == (tokens, tokens) for weights in recorded.weights)
    return memory, recorded.weights if plain else None


def _weights(  # noqa: PLR0917 (arguments of the function of torch, by its names and in its order)
    query: Float[Tensor, "*batch query channel"],
    key: Float[Tensor, "*batch position channel"],
    value: Float[Tensor, "*batch position channel"],
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,  # noqa: FBT001, FBT002
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: FBT001, FBT002
) -> tuple[Float[Tensor, "*batch query position"], Float[Tensor, "*batch position channel"]]:
    """The weights, and the values that they belong to; dropout is left out (models are explained as they caption)."""
    del dropout_p
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    scores = query.float() @ key.float().transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        attn_mask = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(dim=-1), value
