"""Captions as a training step takes them: token ids, picked, padded, and what the decoder is scored by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ...cache.files import replace_file
from ..datasets import Dataset
from ..tokenizer import CaptionTokenizer
from ..train_config import DataConfig

_IGNORED = -100


@dataclass(frozen=True)
class Captions:
    """The token ids of every picture that has captions.

    Attributes:
        pictures: index of each such picture in the dataset.
        tokens: token ids of its captions, ``[BOS]`` and ``[EOS]`` included.
        pad_id: fills up shorter captions of a batch.
    """

    pictures: Int[np.ndarray, " row"]
    tokens: Sequence[Sequence[list[int]]]
    pad_id: int

    @classmethod
    def of(cls, dataset: Dataset, tokenizer: CaptionTokenizer, max_length: int) -> Captions:
        """Encode all captions, cut to what the decoder can hold; a cut one still ends with ``[EOS]``."""
        flat = iter(tokenizer.encode_batch([text for item in dataset for text in item.references]))
        rows = [(item.index, [_cut(next(flat), max_length) for _ in item.references]) for item in dataset]
        kept = [(index, tokens) for index, tokens in rows if tokens]
        return cls(np.array([index for index, _ in kept]), [tokens for _, tokens in kept], tokenizer.pad_id)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.pictures)

    def picked(
        self, rows: Int[np.ndarray, " row"], most: int, rng: np.random.Generator
    ) -> Int[Tensor, "caption token"]:
        """At most `most` captions of each row, drawn without repeats, as many of each; the row's own together."""
        chosen = [rng.permutation(len(self.tokens[row]))[:most] for row in rows]
        width = min(len(choice) for choice in chosen)
        captions = [self.tokens[row][pick] for row, choice in zip(rows, chosen, strict=True) for pick in choice[:width]]
        tokens = torch.full((len(captions), max(map(len, captions))), self.pad_id)
        for place, caption in enumerate(captions):
            tokens[place, : len(caption)] = torch.tensor(caption)
        return tokens


def caption_loss(
    logits: Float[Tensor, "*place vocabulary"],
    targets: Int[Tensor, "*place"],
    pad_id: int,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the next token, padding left out."""
    wanted = targets.masked_fill(targets == pad_id, _IGNORED)
    return F.cross_entropy(
        logits.float().reshape(-1, logits.shape[-1]),
        wanted.flatten(),
        ignore_index=_IGNORED,
        label_smoothing=label_smoothing,
    )


def run_tokenizer(data: DataConfig, captions: Sequence[str], out: Path) -> CaptionTokenizer:
    """The tokenizer of the settings, or one learnt here: once, since the library breaks ties differently each time."""
    if data.tokenizer:
        return CaptionTokenizer.from_file(data.tokenizer)
    kept = out / "tokenizer.json"
    if not kept.is_file():
        out.mkdir(parents=True, exist_ok=True)
        replace_file(kept, CaptionTokenizer.train(captions, data.vocabulary).to_json().encode())
    return CaptionTokenizer.from_file(kept)


def _cut(ids: list[int], most: int) -> list[int]:
    return ids[: most - 1] + ids[-1:] if len(ids) > most else ids
