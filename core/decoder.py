"""The Transformer decoder that writes a caption while looking at an image.

Contract: three ways through the same weights, equal up to rounding:

* `Decoder.forward`: a whole caption at once under a causal mask (training);
* `Decoder.forward_with_attention`: the same and the cross-attention weights of every layer and head;
* `Decoder.step`: one token on, from the keys and values kept of the earlier ones (decoding).

A layer's parameters carry the names and layout of `torch.nn.TransformerDecoderLayer`, so that its state dict loads
there (the tests compare with it) and a checkpoint made with it loads here.

Source: Vaswani et al. 2017, "Attention is all you need"; pre-norm (`norm_first`) after Xiong et al. 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .dropout import Dropout

_CONVERTED = ("activation", "tied", "memory_norm", "final_norm")  # of decoders trained elsewhere (`convert`)


@dataclass(frozen=True)
class DecoderConfig:
    """Size of a decoder.

    Attributes:
        layers: number of layers.
        heads: attention heads a layer.
        width: channels of the model, a multiple of `heads`.
        feedforward: channels inside the feed-forward block; None for four times the width.
        dropout: probability, in training, of what the blocks add.
        attention_dropout: the same of attention weights; above 0 it forbids the fused kernels, which costs a fifth.
        max_length: longest caption in tokens, ``[BOS]`` and ``[EOS]`` included.
        norm_first: layer norm before each block (True) or after its sum (False, as in the first paper).
        activation: of the feed-forward block.
        tied: the projection to the vocabulary is the embedding (True) or has weights of its own.
        memory_norm: normalise the encoder's channels before they are projected to `width`.
        final_norm: layer norm behind the last layer; None where `norm_first` says.
    """

    layers: int = 6
    heads: int = 8
    width: int = 512
    feedforward: int | None = None
    dropout: float = 0.1
    attention_dropout: float = 0.0
    max_length: int = 64
    norm_first: bool = True
    activation: Literal["gelu", "relu"] = "gelu"
    tied: bool = True
    memory_norm: bool = True
    final_norm: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values; those that `hw3 train` leaves alone only where they differ."""
        shown = asdict(self)
        for each in fields(self):
            if each.name in _CONVERTED and shown[each.name] == each.default:
                del shown[each.name]
        return shown

    @property
    def has_final_norm(self) -> bool:
        """Whether a layer norm stands behind the last layer."""
        return self.norm_first if self.final_norm is None else self.final_norm


@dataclass(slots=True)
class KeyValue:
    """Keys and values of one attention, ``[batch, head, position, channel]`` each."""

    key: Float[Tensor, "batch head position channel"]
    value: Float[Tensor, "batch head position channel"]


@dataclass(slots=True)
class DecoderState:
    """What a batch of unfinished captions needs for its next token.

    Attributes:
        cross: keys and values of the image a layer, computed once; captions of one image share them.
        own: keys and values of the tokens so far a layer, room for `max_length` positions.
        length: tokens seen so far.
    """

    cross: list[KeyValue]
    own: list[KeyValue]
    length: int

    def reorder(self, rows: Int[Tensor, " caption"]) -> None:
        """Let caption i go on from what caption ``rows[i]`` has written (beam search); in place.

        Only the tokens' own keys move: beams of one image look at the same image.
        """
        for kept in self.own:
            kept.key[:, :, : self.length] = kept.key[rows, :, : self.length]
            kept.value[:, :, : self.length] = kept.value[rows, :, : self.length]


class Attention(nn.Module):
    """Multi-head attention with the parameters of `torch.nn.MultiheadAttention` (one packed input projection)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def split(self, x: Float[Tensor, "batch position width"]) -> Float[Tensor, "batch head position channel"]:
        """Cut the channels into heads."""
        out: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return out

    def merge(self, x: Float[Tensor, "batch head position channel"]) -> Float[Tensor, "batch position width"]:
        """Lay the heads' channels side by side and project them."""
        out: Tensor = self.out_proj(x.transpose(1, 2).flatten(2))
        return out

    def query(self, x: Float[Tensor, "batch position width"]) -> Float[Tensor, "batch head position channel"]:
        """Queries of `x`."""
        width = x.shape[-1]
        return self.split(F.linear(x, self.in_proj_weight[:width], self.in_proj_bias[:width]))

    def key_value(self, x: Float[Tensor, "batch position width"]) -> KeyValue:
        """Keys and values of `x`."""
        width = x.shape[-1]
        key, value = F.linear(x, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=-1)
        return KeyValue(self.split(key), self.split(value))

    def attend(
        self, query: Float[Tensor, "batch head query channel"], kept: KeyValue, *, causal: bool = False
    ) -> Float[Tensor, "batch head query channel"]:
        """Weighted values, by torch's fused kernel."""
        dropout = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(query, kept.key, kept.value, dropout_p=dropout, is_causal=causal)

    def weights(
        self, query: Float[Tensor, "batch head query channel"], kept: KeyValue
    ) -> Float[Tensor, "batch head query position"]:
        """The attention weights themselves, softmax in float32."""
        scores = query @ kept.key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        return scores.float().softmax(dim=-1)


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention, feed-forward; state dict as `torch.nn.TransformerDecoderLayer`'s."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width, hidden = config.width, config.feedforward or 4 * config.width
        self.norm_first = config.norm_first
        self.activation = F.gelu if config.activation == "gelu" else F.relu
        self.self_attn = Attention(width, config.heads, config.attention_dropout)
        self.multihead_attn = Attention(width, config.heads, config.attention_dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        x: Float[Tensor, "caption token width"],
        cross: KeyValue,
        own: KeyValue | None = None,
        length: int = 0,
        looked: list[Tensor] | None = None,
    ) -> Float[Tensor, "caption token width"]:
        """One layer on.

        Args:
            x: input; captions of one image stand together.
            cross: keys and values of the images; its batch divides the number of captions.
            own: in step-by-step decoding, the keys and values kept so far; this token's are added in place.
            length: tokens kept in `own` so far.
            looked: where given, the cross-attention weights ``[caption, head, token, position]`` are appended to it.
        """
        x = self._residual(x, self.norm1, partial(self._look_back, own=own, length=length))
        x = self._residual(x, self.norm2, partial(self._look_at_image, cross=cross, looked=looked))
        return self._residual(x, self.norm3, self._feed_forward)

    def _residual(self, x: Tensor, norm: nn.LayerNorm, block: Callable[[Tensor], Tensor]) -> Tensor:
        """Add a block's output, with the norm before the block or behind the sum."""
        out: Tensor = x + self.dropout(block(norm(x))) if self.norm_first else norm(x + self.dropout(block(x)))
        return out

    def _feed_forward(self, x: Float[Tensor, "caption token width"]) -> Float[Tensor, "caption token width"]:
        out: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return out

    def _look_back(
        self, x: Float[Tensor, "caption token width"], own: KeyValue | None, length: int
    ) -> Float[Tensor, "caption token width"]:
        """Self-attention over the tokens so far."""
        new, query = self.self_attn.key_value(x), self.self_attn.query(x)
        if own is None:
            return self.self_attn.merge(self.self_attn.attend(query, new, causal=True))
        own.key[:, :, length : length + 1] = new.key
        own.value[:, :, length : length + 1] = new.value
        kept = KeyValue(own.key[:, :, : length + 1], own.value[:, :, : length + 1])
        return self.self_attn.merge(self.self_attn.attend(query, kept))

    def _look_at_image(
        self, x: Float[Tensor, "caption token width"], cross: KeyValue, looked: list[Tensor] | None
    ) -> Float[Tensor, "caption token width"]:
        """Cross-attention; the captions of one image are queries of one call, so its keys are not repeated."""
        captions, tokens, width = x.shape
        images = cross.key.shape[0]
        query = self.multihead_attn.query(x.reshape(images, -1, width))
        if looked is None:
            seen = self.multihead_attn.attend(query, cross)
        else:
            weights = self.multihead_attn.weights(query, cross)
            seen = weights.to(cross.value.dtype) @ cross.value
            looked.append(weights.unflatten(2, (captions // images, tokens)).transpose(1, 2).flatten(0, 1))
        return self.multihead_attn.merge(seen).reshape(captions, tokens, width)


class Decoder(nn.Module):
    """Token and position embedding, layers, and the projection to the vocabulary (usually tied to the embedding)."""

    def __init__(self, config: DecoderConfig, vocab_size: int, channels: int, positions: int) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embedding = nn.Embedding(vocab_size, width)
        self.token_position = nn.Parameter(torch.zeros(config.max_length, width))
        self.memory_norm = nn.LayerNorm(channels) if config.memory_norm else nn.Identity()
        self.memory_proj = nn.Linear(channels, width)
        self.memory_position = nn.Parameter(torch.zeros(positions, width))
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width) if config.has_final_norm else nn.Identity()
        self.head = None if config.tied else nn.Parameter(torch.empty(vocab_size, width).normal_(std=width**-0.5))
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.dropout = Dropout(config.dropout)
        for table in (self.embedding.weight, self.token_position, self.memory_position):
            nn.init.normal_(table, std=width**-0.5 if table is self.embedding.weight else 0.02)

    def forward(
        self,
        memory: Float[Tensor, "image position channel"],
        tokens: Int[Tensor, "caption token"],
        wanted: Bool[Tensor, "caption token"] | None = None,
    ) -> Float[Tensor, "*place vocabulary"]:
        """Logits of the next token behind each token; ``caption`` is a multiple of ``image``, images in order.

        With `wanted`, only behind the tokens that it marks, one after the other: half of a batch is padding, and the
        projection to the vocabulary is much of the work.
        """
        x = self._embed(tokens, 0)
        for layer, cross in zip(self.layers, self._cross(memory), strict=True):
            x = layer(x, cross)
        return self._logits(x if wanted is None else x[wanted])

    def forward_with_attention(
        self, memory: Float[Tensor, "image position channel"], tokens: Int[Tensor, "caption token"]
    ) -> tuple[Float[Tensor, "caption token vocabulary"], Float[Tensor, "caption token layer head position"]]:
        """As `forward`, and the cross-attention weights by which each next token was predicted."""
        x = self._embed(tokens, 0)
        looked: list[Tensor] = []
        for layer, cross in zip(self.layers, self._cross(memory), strict=True):
            x = layer(x, cross, looked=looked)
        return self._logits(x), torch.stack(looked, dim=1).permute(0, 3, 1, 2, 4)

    def start(self, memory: Float[Tensor, "image position channel"], captions: int = 1) -> DecoderState:
        """State for `captions` empty captions an image; the image's keys and values are computed here, once."""
        cross = self._cross(memory)
        batch, heads = memory.shape[0] * captions, self.config.heads
        shape = (batch, heads, self.config.max_length, self.config.width // heads)
        own = [KeyValue(kept.key.new_empty(shape), kept.value.new_empty(shape)) for kept in cross]
        return DecoderState(cross, own, 0)

    def step(self, state: DecoderState, tokens: Int[Tensor, " caption"]) -> Float[Tensor, "caption vocabulary"]:
        """Logits of the token behind `tokens`; `state` moves on by one."""
        x = self._embed(tokens[:, None], state.length)
        for layer, cross, own in zip(self.layers, state.cross, state.own, strict=True):
            x = layer(x, cross, own, state.length)
        state.length += 1
        return self._logits(x)[:, 0]

    def _embed(self, tokens: Int[Tensor, "caption token"], start: int) -> Float[Tensor, "caption token width"]:
        x = self.embedding(tokens) * math.sqrt(self.config.width)
        out: Tensor = self.dropout(x + self.token_position[start : start + tokens.shape[1]])
        return out

    def _cross(self, memory: Float[Tensor, "image position channel"]) -> list[KeyValue]:
        seen = self.memory_proj(self.memory_norm(memory)) + self.memory_position
        seen = self.dropout(seen)
        return [layer.multihead_attn.key_value(seen) for layer in self.layers]  # type: ignore[union-attr, operator]

    def _logits(self, x: Float[Tensor, "*place width"]) -> Float[Tensor, "*place vocabulary"]:
        return F.linear(self.norm(x), self.embedding.weight if self.head is None else self.head, self.bias)
