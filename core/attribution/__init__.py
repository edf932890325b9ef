"""Maps of where a word comes from: raw attention, attention rollout, gradient-weighted relevance.

Contract: `attribute` gives for finished captions what `core.attention.look` gives, ``[token, layer, head, position]``
over the memory's positions, each row a distribution; so every map goes the same way into a cache and onto a panel.
Captions and log-probabilities are the same whatever the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from ...cache.errors import UsageError
from ..attention import Looked, look
from ..captioner import Captioner
from ..encoder import Memory
from .recording import encode_recorded
from .relevance import relevance_of
from .rollout import no_rollout, rolled_out

METHODS: Final = ("attention", "rollout", "relevance")


@torch.inference_mode()
def attribute(
    captioner: Captioner,
    images: Float[Tensor, "batch 3 height width"] | None,
    memory: Memory,
    captions: Sequence[Sequence[int]],
    method: str,
) -> list[Looked]:
    """Explain one finished caption an image.

    Args:
        captioner: in evaluation mode.
        images: the captioner's input, normalised; None where only features are kept.
        memory: `captioner.encode(images)`, or kept features.
        captions: generated token ids, without ``[BOS]``.
        method: of `METHODS`. *attention*: cross-attention as it is. *rollout*: carried through the encoder's
            self-attention, layers and heads stay. *relevance*: layers are what was gathered up to there, one head.

    Raises:
        UsageError: the method is unknown, or rollout was asked for of an encoder without self-attention.
    """
    _require_method(method)
    looked = look(captioner, memory, captions)
    if method == "rollout":
        with torch.autocast(memory.tokens.device.type, enabled=False):
            return rolled_out(captioner, images, looked)
    if method == "relevance":
        maps = relevance_of(captioner, images, memory, captions)
        return [Looked(found, one.logprobs) for found, one in zip(maps, looked, strict=True)]
    return looked


@torch.inference_mode()
def require_maps(captioner: Captioner, method: str) -> None:
    """See at once whether a captioner can be explained so, by a black picture.

    Raises:
        UsageError: it cannot.
    """
    _require_method(method)
    images = torch.zeros(1, 3, *captioner.preprocess.input_size, device=captioner.device)
    if method == "rollout" and encode_recorded(captioner, images)[1] is None:
        raise no_rollout(captioner)
    if method == "relevance" and captioner.config.others:
        raise UsageError("maps relevance: explains one decoder, this captioner has several; take one of its members")


def _require_method(method: str) -> None:
    if method not in METHODS:
        raise UsageError(f"maps {method}: no such method; use {', '.join(METHODS)}")
