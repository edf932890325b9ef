"""Several decoders that write a caption together, each token by the mean of their probabilities.

Contract: an `Ensemble` stands where a `Decoder` stands: in searches, in the teacher-forced pass, in a checkpoint's
folder. All decoders look at one encoder's features, so a picture is encoded once. Attention has the layers of all of
them, the first decoder's first: where each one looked stays to be seen.

Source: averaging the predictive distributions at each step, as Vinyals et al. 2016, "Show and tell: lessons learned
from the 2015 MSCOCO image captioning challenge" did.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .decoder import Decoder, DecoderConfig, DecoderState


class Ensemble(nn.Module):
    """Decoders of one vocabulary, over the features of one encoder.

    Args:
        configs: of each decoder; as many heads each, since their layers stand side by side in the attention.
        vocab_size, channels, positions: see `Decoder`.

    Attributes:
        config: that of the first decoder with the layers of all; captions are as long as the shortest limit allows.
    """

    def __init__(self, configs: Sequence[DecoderConfig], vocab_size: int, channels: int, positions: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(Decoder(config, vocab_size, channels, positions) for config in configs)
        self.config = dataclasses.replace(
            configs[0],
            layers=sum(config.layers for config in configs),
            max_length=min(config.max_length for config in configs),
        )

    def forward(
        self,
        memory: Float[Tensor, "image position channel"],
        tokens: Int[Tensor, "caption token"],
        wanted: Bool[Tensor, "caption token"] | None = None,
    ) -> Float[Tensor, "*place vocabulary"]:
        """Log-probabilities of the next token behind each token; see `Decoder.forward`."""
        return _together([member(memory, tokens, wanted) for member in self._each()])

    def forward_with_attention(
        self, memory: Float[Tensor, "image position channel"], tokens: Int[Tensor, "caption token"]
    ) -> tuple[Float[Tensor, "caption token vocabulary"], Float[Tensor, "caption token layer head position"]]:
        """As `forward`, and the cross-attention of the layers of all decoders."""
        logits, attention = zip(*(each.forward_with_attention(memory, tokens) for each in self._each()), strict=True)
        return _together(logits), torch.cat(attention, dim=2)

    def start(self, memory: Float[Tensor, "image position channel"], captions: int = 1) -> DecoderState:
        """See `Decoder.start`; the state has the layers of all decoders."""
        states = [member.start(memory, captions) for member in self._each()]
        cross = [kept for each in states for kept in each.cross]
        own = [kept for each in states for kept in each.own]
        return DecoderState(cross, own, 0)

    def step(self, state: DecoderState, tokens: Int[Tensor, " caption"]) -> Float[Tensor, "caption vocabulary"]:
        """Log-probabilities of the token behind `tokens`; see `Decoder.step`."""
        logits, first = [], 0
        for member in self._each():
            layers = slice(first, first + member.config.layers)
            logits.append(member.step(DecoderState(state.cross[layers], state.own[layers], state.length), tokens))
            first = layers.stop
        state.length += 1
        return _together(logits)

    def _each(self) -> list[Decoder]:
        return list(self.members)  # type: ignore[arg-type]  # a ModuleList forgets what its modules are


def _together(logits: Sequence[Float[Tensor, "*place vocabulary"]]) -> Float[Tensor, "*place vocabulary"]:
    """Log of the mean of the probabilities, in float32."""
    logprobs = torch.stack([each.float().log_softmax(dim=-1) for each in logits])
    return logprobs.logsumexp(dim=0) - math.log(len(logits))
