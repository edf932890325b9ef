"""Attention rollout: each position of the memory is led back to the patches from which the encoder made it.

What the decoder looks at are not patches but the encoder's output tokens, each of which has gathered from all others.
Rollout follows the encoder's self-attention down to its input: with the mean over heads A of each layer, half of it and
half of the residual path, ``R <- (A / 2 + I / 2) R`` from the first layer to the last. A row of cross-attention times R
is where that layer and head of the decoder looked, in terms of input patches.

Source: Abnar and Zuidema 2020, "Quantifying attention flow in transformers".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ...cache.errors import UsageError
from ..attention import Looked
from ..captioner import Captioner
from .recording import EncoderWeights, encode_recorded


def rolled_out(
    captioner: Captioner, images: Float[Tensor, "batch 3 height width"] | None, looked: Sequence[Looked]
) -> list[Looked]:
    """Carry the cross-attention of finished captions through the encoder; layers and heads of the decoder stay.

    Positions stay those of the memory. What falls on class and register tokens that the decoder does not look at is no
    place in the picture: it is left out, and rows sum to 1 again.

    Raises:
        UsageError: the encoder has no self-attention over its tokens, or there are no pictures to run it on.
    """
    weights = None if images is None else encode_recorded(captioner, images, mean=True)[1]
    if weights is None:
        raise no_rollout(captioner)
    positions = looked[0].attention.shape[-1]
    through = encoder_rollout(weights)[:, -positions:]
    return [
        Looked(shares((one.attention.float() @ carry)[..., -positions:]), one.logprobs)
        for one, carry in zip(looked, through, strict=True)
    ]


def no_rollout(captioner: Captioner) -> UsageError:
    """Why there is none."""
    return UsageError(
        f"maps rollout: encoder {captioner.config.encoder.name} has no self-attention over its patches, or only its "
        "kept features are here; use attention or relevance"
    )


def encoder_rollout(weights: EncoderWeights) -> Float[Tensor, "batch position position"]:
    """For each output token of the encoder (rows) its shares of the input tokens (columns), from means over heads."""
    eye = torch.eye(weights[0].shape[-1], device=weights[0].device)
    carried = eye.expand(weights[0].shape[0], -1, -1)
    for layer in weights:
        carried = (layer + eye) / 2 @ carried
    return carried


def shares(weights: Float[Tensor, "*row position"]) -> Float[Tensor, "*row position"]:
    """Rows that sum to 1; a row of zeros, where nothing was found, is spread evenly."""
    totals = weights.sum(dim=-1, keepdim=True)
    return torch.where(totals > 0, weights / totals, 1 / weights.shape[-1])
