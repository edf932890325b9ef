"""Scores of unit-norm CLIP embeddings: CLIPScore, RefCLIPScore, retrieval.

Source: Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", EMNLP 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

_SCORE_SCALE: Final = 2.5  # w in the paper: stretches cosines of about 0 to .4 over 0 to 1


def clipscore(image: Float[Tensor, "batch dim"], text: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """CLIPScore of each pair of unit-norm embeddings: 2.5 * max(cos, 0), from 0 to 2.5."""
    return _SCORE_SCALE * (image * text).sum(dim=-1).clamp(min=0)


def refclipscore(
    image: Float[Tensor, "batch dim"],
    text: Float[Tensor, "batch dim"],
    references: Sequence[Float[Tensor, "references dim"]],
) -> Float[Tensor, " batch"]:
    """RefCLIPScore: harmonic mean of CLIPScore and the caption's best cosine (0 at least) with a reference.

    Args:
        image: Unit-norm image embeddings.
        text: Unit-norm caption embeddings.
        references: For each pair the unit-norm embeddings of its references; none of them gives NaN
            (undefined).
    """
    direct = clipscore(image, text)
    nearest = torch.stack(
        [
            (rows @ caption).max().clamp(min=0) if len(rows) else caption.new_tensor(float("nan"))
            for caption, rows in zip(text, references, strict=True)
        ]
        or [direct.new_empty(())]
    )[: len(direct)]
    total = direct + nearest
    return torch.where(total == 0, torch.zeros_like(total), 2 * direct * nearest / total)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How often the right partner comes first (R@1, 0 to 1), over a set of pairs.

    Attributes:
        text_to_image: A caption finds its picture.
        image_to_text: A picture finds its caption.
    """

    text_to_image: float
    image_to_text: float


def retrieval(image: Float[Tensor, "batch dim"], text: Float[Tensor, "batch dim"]) -> Retrieval:
    """R@1 over pairs of unit-norm embeddings; a partner just as near costs a pair nothing."""
    cosines = text @ image.T
    own = cosines.diagonal()
    slack = 1e-6  # two pictures with the same caption: the other's is as right as one's own
    return Retrieval(
        text_to_image=float((own + slack >= cosines.amax(dim=1)).float().mean()),
        image_to_text=float((own + slack >= cosines.amax(dim=0)).float().mean()),
    )
