"""Which tokens a caption may go on with: no n-gram twice, no end too early.

A forbidden token's log-probability becomes -inf; those of the others stay as they are (they are not renormalised), so
that a beam's score is still the captioner's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Constraints:
    """Rules that hold for every caption; false where there is none.

    Attributes:
        no_repeat_ngram: no n-gram of so many tokens comes twice (Paulus et al. 2018; fairseq and Hugging Face have it
            under this name); 0 for no such rule.
        min_length: fewest tokens before ``[EOS]``.
        eos: id of ``[EOS]``.
    """

    no_repeat_ngram: int
    min_length: int
    eos: int

    def __bool__(self) -> bool:
        return self.no_repeat_ngram > 0 or self.min_length > 0

    def apply(
        self, logprobs: Float[Tensor, "row vocabulary"], tokens: Int[Tensor, "row token"]
    ) -> Float[Tensor, "row vocabulary"]:
        """Forbid tokens, in place.

        Where nothing is left, ``[EOS]`` is allowed after all.

        Args:
            logprobs: of the next token.
            tokens: the captions so far, all of one length.
        """
        if not self:
            return logprobs
        ends = logprobs[:, self.eos].clone()
        if tokens.shape[1] < self.min_length:
            logprobs[:, self.eos] = -torch.inf
        if 0 < self.no_repeat_ngram <= tokens.shape[1]:
            _forbid_repeats(logprobs, tokens, self.no_repeat_ngram)
        stuck = logprobs.amax(dim=-1) == -torch.inf
        logprobs[:, self.eos] = torch.where(stuck, ends, logprobs[:, self.eos])
        return logprobs


def _forbid_repeats(logprobs: Float[Tensor, "row vocabulary"], tokens: Int[Tensor, "row token"], order: int) -> None:
    """Forbid each token that would complete an n-gram of `order` tokens that the caption has already."""
    length = tokens.shape[1]
    grams = tokens.unfold(1, order, 1)  # [row, place, order]
    begun = tokens[:, None, length - order + 1 :]
    repeats = (grams[:, :, :-1] == begun).all(dim=-1)
    # The same token may stand in several places: the least of all that is said about it holds.
    verdict = torch.where(repeats, -torch.inf, torch.inf).to(logprobs.dtype)
    logprobs.scatter_reduce_(1, grams[:, :, -1], verdict, "amin")
