"""Where the model looked: cross-attention of finished captions.

Contract: captions come from any search; ONE teacher-forced pass over the finished tokens gives the attention of all
layers and heads. The causal mask makes it equal to what decoding saw, for every strategy (the tests compare with a
step-by-step decode through `torch.nn.MultiheadAttention`, to 1e-5). Row t belongs to the query position that
PREDICTED token t, that is the one whose input is token t-1 (``[BOS]`` for the first).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .captioner import Captioner
from .encoder import Memory


@dataclass(frozen=True, slots=True)
class Looked:
    """One caption with its attention.

    Attributes:
        attention: ``[token, layer, head, position]``, each row of positions sums to 1; prefix positions first.
        logprobs: ``[token]``, natural-log probability of each token under the captioner.
    """

    attention: Float[Tensor, "token layer head position"]
    logprobs: Float[Tensor, " token"]


@torch.inference_mode()
def look(captioner: Captioner, memory: Memory, captions: Sequence[Sequence[int]]) -> list[Looked]:
    """Run the teacher-forced pass over one finished caption an image (generated token ids, without ``[BOS]``)."""
    inputs, targets = teacher_forced(captioner, captions, memory.tokens.device)
    logits, attention = captioner.decoder.forward_with_attention(memory.tokens, inputs)
    logprobs = captioner.log_probs(logits).gather(-1, targets[:, :, None])[:, :, 0]
    return [
        Looked(attention[row, : len(caption)], logprobs[row, : len(caption)]) for row, caption in enumerate(captions)
    ]


def teacher_forced(
    captioner: Captioner, captions: Sequence[Sequence[int]], device: torch.device
) -> tuple[Int[Tensor, "caption token"], Int[Tensor, "caption token"]]:
    """What the decoder reads and what it should predict, as long as the longest caption.

    What follows a shorter caption's end is PAD: the causal mask keeps it out of what counts.
    """
    tokenizer = captioner.tokenizer
    longest = max(len(caption) for caption in captions)
    targets = torch.full((len(captions), longest), tokenizer.pad_id)
    for row, caption in enumerate(captions):
        targets[row, : len(caption)] = torch.tensor(caption)
    targets = targets.to(device)
    inputs = targets.roll(1, dims=1)
    inputs[:, 0] = tokenizer.bos_id
    return inputs, targets
