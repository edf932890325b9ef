"""The text side of CLIP: captions to ids, and a text tower that runs no further than it must.

Contract: a `Tokenize` pads to the tower's context and says which captions were cut (EOT kept). `encode_text` equals
open_clip's, but a causal tower is cut behind the last EOT of the batch: no later position can change an embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .tokenizer import CaptionTokenizer

Model: TypeAlias = Any  # open_clip's CLIP or CustomTextCLIP, or a tower of theirs: untyped, no base in common


class Tokenize(Protocol):
    """Captions to the ids that a text tower takes.

    Attributes:
        identity: what tells it from other tokenizers of the same model; empty where the model says which it is.
    """

    identity: str

    def __call__(self, texts: Sequence[str]) -> tuple[Int[Tensor, "batch context"], list[bool]]:
        """Return the padded ids, and for each text whether it was cut (EOT kept)."""
        ...


class CaptionTokens:
    """Our own BPE file as the tokenizer of a text tower with `context` positions."""

    def __init__(self, tokenizer: CaptionTokenizer, context: int) -> None:
        self._tokenizer = tokenizer
        self._context = context
        self.identity = hashlib.sha256(tokenizer.to_json().encode()).hexdigest()

    def __call__(self, texts: Sequence[str]) -> tuple[Int[Tensor, "batch context"], list[bool]]:
        """Encode with [BOS] and [EOS], padded to the context; see `Tokenize`."""
        ids = torch.full((len(texts), self._context), self._tokenizer.pad_id, dtype=torch.long)
        cut = []
        for row, tokens in enumerate(self._tokenizer.encode_batch(texts)):
            cut.append(len(tokens) > self._context)
            kept = [*tokens[: self._context - 1], self._tokenizer.eos_id] if cut[-1] else tokens
            ids[row, : len(kept)] = torch.tensor(kept)
        return ids, cut


class OpenClipTokens:
    """open_clip's own tokenizers (OpenAI's BPE, sentencepiece, Hugging Face)."""

    identity = ""  # the model's architecture says which one it is

    def __init__(self, tokenizer: Callable[..., Tensor], context: int) -> None:
        self._tokenizer = tokenizer
        self._context = context

    def __call__(self, texts: Sequence[str]) -> tuple[Int[Tensor, "batch context"], list[bool]]:
        """Encode as open_clip does; a text is too long if, given one more position, it would use it."""
        ids = self._tokenizer(list(texts), context_length=self._context)
        roomy = self._tokenizer([*texts, ""], context_length=self._context + 1)[:, -1]
        return ids, (roomy[:-1] != roomy[-1]).tolist()


def prefixed(texts: Sequence[str], prefix: str) -> list[str]:
    """Put a prefix before each text, one space between; an empty prefix changes nothing."""
    return [f"{prefix.rstrip()} {text}" for text in texts] if prefix.strip() else list(texts)


def encode_text(model: Model, ids: Int[Tensor, "batch context"]) -> Float[Tensor, "batch dim"]:
    """Embed token ids (not normalised) as `model.encode_text` does, over the positions that can matter.

    With a causal mask the pooled position sees nothing after it, so everything beyond the batch's last pooled
    position is left out: eight times faster for captions of a dozen tokens in a tower of 77. Other towers
    run in full. Gradients flow.
    """
    tower: Model = getattr(model, "text", model)  # open_clip's CLIP keeps the text tower's parts on itself
    pooled_at = _pooled_positions(tower, ids)
    if pooled_at is None:
        full: Tensor = model.encode_text(ids)
        return full
    length = int(pooled_at.max()) + 1
    dtype = tower.transformer.get_cast_dtype()
    hidden = tower.token_embedding(ids[:, :length]).to(dtype) + tower.positional_embedding[:length].to(dtype)
    hidden = tower.transformer(hidden, attn_mask=tower.attn_mask[:length, :length])
    # Only the pooled rows go on: the final norm and the projection work row by row.
    pooled: Tensor = tower.ln_final(hidden[torch.arange(len(ids), device=ids.device), pooled_at])
    if isinstance(tower.text_projection, nn.Linear):
        pooled = tower.text_projection(pooled)
    elif tower.text_projection is not None:
        pooled = pooled @ tower.text_projection
    return pooled


def _pooled_positions(tower: Model, ids: Int[Tensor, "batch context"]) -> Int[Tensor, " batch"] | None:
    """Where each text is pooled, or None when the tower may not be cut there."""
    if not _is_causal(tower) or not len(ids):
        return None
    kind = getattr(tower, "text_pool_type", None) or getattr(tower, "pool_type", None)
    if kind == "argmax":
        return ids.argmax(dim=-1)
    if kind == "eos":
        eos_id: int = tower.text_eos_id if hasattr(tower, "text_eos_id") else tower.eos_id
        return ids.eq(eos_id).int().argmax(dim=-1)
    return None


def _is_causal(tower: Model) -> bool:
    """Whether the tower is open_clip's text transformer with a causal mask and no class token."""
    mask = getattr(tower, "attn_mask", None)
    if not isinstance(mask, Tensor) or getattr(tower, "cls_emb", None) is not None:
        return False
    if getattr(tower, "output_tokens", False) or not hasattr(tower, "token_embedding"):
        return False
    expected = torch.full_like(mask, float("-inf")).triu(1)
    return bool(torch.equal(mask, expected))
