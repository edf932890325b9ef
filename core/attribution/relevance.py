"""Gradient-weighted relevance of each patch for each generated token.

Attention says where a model looked; its gradient says whether that counted for the token. For one token and its logit
y, each attention A of the model becomes ``Ā = mean over heads of max(A * dy/dA, 0)``, and relevance is gathered layer
by layer (numbers as in the paper; i are the encoder's tokens, s those of the caption, `n` is equations 8 and 9):

* encoder self-attention (6): ``R_ii += Ā R_ii``, from ``R_ii = I``;
* decoder self-attention (6, 7): ``R_ss += Ā R_ss``, then ``R_si += Ā R_si``, from ``R_ss = I`` and ``R_si = 0``;
* cross-attention (10): ``R_si += n(R_ss)^T Ā n(R_ii)``.

Row t of R_si is the map of token t, the paper's after the last layer. Two things are ours. `n` divides by a row's sum;
a row without relevance has the sum 0 and stays 0 (the authors' program drops the whole product then). And the identity
is kept apart from R, so that the small numbers of the first layers are not lost beside ones.

Source: Chefer, Gur and Wolf 2021, "Generic attention-model explainability for interpreting bi-modal and
encoder-decoder transformers", with plain attention in place of LRP.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..attention import teacher_forced
from ..captioner import Captioner
from ..encoder import Memory
from .recording import EncoderWeights, Recording, encode_recorded
from .rollout import shares

_CPU_BYTES = 2 << 30


def relevance_of(
    captioner: Captioner,
    images: Float[Tensor, "batch 3 height width"] | None,
    memory: Memory,
    captions: Sequence[Sequence[int]],
) -> list[Float[Tensor, "token layer 1 position"]]:
    """Relevance of finished captions, one forward pass a picture and one backward pass a token, pictures together.

    Always in float32: gradients of attention are too small for half precision. Layer l is R_si after l layers of the
    decoder, so the last one is the whole; there is one head, since the rules average over heads.

    Args:
        captioner: in evaluation mode.
        images: the model's input; None where only features are kept.
        memory: what the decoder looked at.
        captions: generated token ids, without ``[BOS]``.

    Returns:
        For each caption ``[token, layer, 1, position]``, positions as in `memory`, rows sum to 1. Without pictures, or
        where the encoder has no self-attention to follow, relevance is that of the memory's positions (R_ii = I).
    """
    device = memory.tokens.device
    found: list[Float[Tensor, "token layer 1 position"]] = []
    at_once = _pictures_at_once(captioner, memory, max(map(len, captions)))
    # The caller may be in inference mode, whose tensors know no gradients: clones made outside of it do.
    with torch.inference_mode(mode=False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        for start in range(0, len(captions), at_once):
            rows = slice(start, start + at_once)
            tokens, weights = memory.tokens[rows].clone().float(), None
            if images is not None:
                encoded, weights = encode_recorded(captioner, images[rows].clone().float())
                tokens = encoded.tokens
            inputs, targets = teacher_forced(captioner, captions[rows], device)
            maps = _of_each_token(captioner, tokens, weights or [], inputs, targets)
            found += [maps[place, : len(caption), :, None] for place, caption in enumerate(captions[rows])]
    return found


def _of_each_token(
    captioner: Captioner,
    memory: Float[Tensor, "caption position channel"],
    encoder: EncoderWeights,
    inputs: Int[Tensor, "caption token"],
    targets: Int[Tensor, "caption token"],
) -> Float[Tensor, "caption token layer position"]:
    """One graph for all, and for each token one pass backward through it."""
    with Recording() as decoder:
        logits = captioner.decoder(memory, inputs)
    own, cross = decoder.weights[0::2], decoder.weights[1::2]
    chosen = logits.gather(-1, targets[..., None])[..., 0]
    rows = []
    for token in range(targets.shape[1]):
        # Captions of a batch know nothing of each other, so the gradient of the sum is that of each.
        gradients = torch.autograd.grad(chosen[:, token].sum(), [*encoder, *own, *cross], retain_graph=True)
        bars = [_bar(*pair) for pair in zip([*encoder, *own, *cross], gradients, strict=True)]
        of_encoder, of_decoder = bars[: len(encoder)], bars[len(encoder) :]
        row = gather(of_encoder, of_decoder[: len(own)], of_decoder[len(own) :])[:, :, token]
        rows.append(shares(row[..., -memory.shape[1] :]))
    return torch.stack(rows, dim=1)


def _bar(weights: Tensor, gradient: Tensor) -> Float[Tensor, "batch query position"]:
    """Ā: attention weighted by its gradient, the positive part, mean over heads (equation 5)."""
    return (weights.detach() * gradient).clamp(min=0).mean(dim=1)


def gather(
    encoder: Sequence[Float[Tensor, "batch i i"]],
    own: Sequence[Float[Tensor, "batch s s"]],
    cross: Sequence[Float[Tensor, "batch s m"]],
) -> Float[Tensor, "batch layer s i"]:
    """R_si after each layer of the decoder, from the Ā of all attentions.

    The memory's m positions are the last of the encoder's i tokens: all, or all but class and register tokens. Without
    encoder layers i is m.
    """
    batch, tokens, positions = cross[0].shape
    onto_inputs = torch.eye(positions, device=cross[0].device).expand(batch, -1, -1)
    if encoder:
        onto_inputs = _plus_identity(_normalised(_followed(encoder)))[:, -positions:]
    r_ss = torch.zeros_like(own[0])  # without the identity
    r_si = cross[0].new_zeros(batch, tokens, onto_inputs.shape[-1])
    layers = []
    for looked_back, looked_at in zip(own, cross, strict=True):
        r_ss = r_ss + looked_back + looked_back @ r_ss
        r_si = r_si + looked_back @ r_si
        r_si = r_si + _plus_identity(_normalised(r_ss)).transpose(1, 2) @ looked_at @ onto_inputs
        layers.append(r_si)
    return torch.stack(layers, dim=1)


def _followed(bars: Sequence[Float[Tensor, "batch i i"]]) -> Float[Tensor, "batch i i"]:
    """``R <- R + Ā R`` over all layers, from the identity; what is returned is R without it."""
    rest = torch.zeros_like(bars[0])
    for bar in bars:
        rest = rest + bar + bar @ rest
    return rest


def _normalised(rest: Float[Tensor, "batch i i"]) -> Float[Tensor, "batch i i"]:
    """Rows that sum to 1, or 0 (equation 8)."""
    totals = rest.sum(dim=-1, keepdim=True)
    return torch.where(totals > 0, rest / totals, 0.0)


def _plus_identity(rest: Float[Tensor, "batch i i"]) -> Float[Tensor, "batch i i"]:
    return rest + torch.eye(rest.shape[-1], device=rest.device)


def _pictures_at_once(captioner: Captioner, memory: Memory, tokens: int) -> int:
    """How many pictures' graphs fit into half of the free memory of a GPU, or into 2 GiB."""
    device = memory.tokens.device
    free = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else _CPU_BYTES
    return max(1, int(free // _graph_bytes(captioner, memory, tokens)))


def _graph_bytes(captioner: Captioner, memory: Memory, tokens: int) -> int:
    """About what one picture's graph takes: weights, gradients and products of attention, and 16 widths a token."""
    positions, channels = memory.tokens.shape[1:]
    blocks = getattr(captioner.encoder.model, "blocks", ())
    config = captioner.decoder.config
    heads = sum(getattr(getattr(block, "attn", None), "num_heads", 1) for block in blocks)
    encoder = positions * (16 * channels * len(blocks) + 4 * positions * heads)
    decoder = config.layers * tokens * (16 * config.width + 4 * config.heads * (positions + tokens))
    return 4 * (encoder + decoder)
