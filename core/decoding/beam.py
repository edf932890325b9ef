"""Beam search: the best captions of each length go on, all images at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..captioner import Captioner
from .constraints import Constraints
from .options import Decoding, Hypothesis, until_end


@dataclass(slots=True)
class _Beams:
    """Running or finished captions, best first along ``beam``; a score of -inf marks an empty place."""

    tokens: Int[Tensor, "image beam token"]
    logprobs: Float[Tensor, "image beam token"]
    scores: Float[Tensor, "image beam"]

    @classmethod
    def empty(cls, images: int, beams: int, steps: int, pad: int, device: torch.device) -> _Beams:
        tokens = torch.full((images, beams, steps), pad, device=device)
        return cls(
            tokens,
            torch.zeros(images, beams, steps, device=device),
            torch.full((images, beams), -torch.inf, device=device),
        )

    def take(self, rows: Int[Tensor, "image kept"]) -> _Beams:
        """The captions of the given places, in that order."""
        index = rows[:, :, None].expand(-1, -1, self.tokens.shape[2])
        return _Beams(self.tokens.gather(1, index), self.logprobs.gather(1, index), self.scores.gather(1, rows))

    def best(self, other: _Beams) -> _Beams:
        """The best of both, as many as `self` holds; among equals those of `self` first."""
        both = _Beams(
            torch.cat((self.tokens, other.tokens), 1),
            torch.cat((self.logprobs, other.logprobs), 1),
            torch.cat((self.scores, other.scores), 1),
        )
        order = both.scores.sort(dim=1, descending=True, stable=True).indices
        return both.take(order[:, : self.scores.shape[1]])


def beam(
    captioner: Captioner,
    memory: Float[Tensor, "image position channel"],
    steps: int,
    decoding: Decoding,
    constraints: Constraints,
) -> list[list[Hypothesis]]:
    """Beam search of all images at once: finished captions leave for a pool of their own, the rest go on.

    An image is settled when its worst pooled caption beats the best that any running one could still become.
    """
    images, beams, device = memory.shape[0], decoding.beams, memory.device
    eos, pad = captioner.tokenizer.eos_id, captioner.tokenizer.pad_id
    state = captioner.decoder.start(memory, captions=beams)
    pool = _Beams.empty(images, beams, steps, pad, device)
    running = _Beams.empty(images, beams, steps, pad, device)
    running.scores[:, 0] = 0.0  # all beams begin alike: let only one of them branch at the first step
    last = torch.full((images * beams,), captioner.tokenizer.bos_id, device=device)
    first_row = torch.arange(images, device=device)[:, None] * beams
    for step in range(steps):
        logprobs = captioner.log_probs(captioner.decoder.step(state, last))
        if constraints:
            logprobs = constraints.apply(logprobs, running.tokens[:, :, :step].flatten(0, 1))
        longer, parents = _extend(running, logprobs.unflatten(0, (images, beams)), step)
        ends = longer.tokens[:, :, step] == eos
        cut = step == steps - 1
        final = longer.scores / (step + 1) ** decoding.length_penalty
        ended = _Beams(longer.tokens, longer.logprobs, final.masked_fill(~ends & (not cut), -torch.inf))
        pool = pool.best(ended)
        alive = longer.scores.masked_fill(ends, -torch.inf)
        keep = alive.sort(dim=1, descending=True, stable=True).indices[:, :beams]
        running = _Beams(longer.tokens, longer.logprobs, alive).take(keep)
        if _settled(pool, running, step, steps, decoding.length_penalty):
            break
        state.reorder((first_row + parents.gather(1, keep)).flatten())
        last = running.tokens[:, :, step].flatten()
    return _collect(pool, eos, decoding.keep)


def _extend(
    running: _Beams, logprobs: Float[Tensor, "image beam vocabulary"], step: int
) -> tuple[_Beams, Int[Tensor, "image candidate"]]:
    """The 2 x beams best continuations of each image (enough, should half of them end) and their parents."""
    _, beams, vocabulary = logprobs.shape
    totals = (running.scores[:, :, None] + logprobs).flatten(1)
    best = totals.topk(min(2 * beams, totals.shape[1]), dim=1)
    parents, token = best.indices // vocabulary, best.indices % vocabulary
    longer = running.take(parents)
    longer.tokens[:, :, step] = token
    longer.logprobs[:, :, step] = logprobs.flatten(1).gather(1, best.indices)
    return _Beams(longer.tokens, longer.logprobs, best.values), parents


def _settled(pool: _Beams, running: _Beams, step: int, steps: int, length_penalty: float) -> bool:
    """Whether no running caption of any image can still enter its pool."""
    reach = steps if length_penalty > 0 else step + 1  # a sum of log-probabilities only falls: divide by the most
    possible = running.scores[:, 0] / reach**length_penalty
    return bool((pool.scores[:, -1] >= possible).all())


def _collect(pool: _Beams, eos: int, keep: int) -> list[list[Hypothesis]]:
    """The best `keep` captions of each image, where it has so many."""
    tokens, logprobs, scores = (part[:, :keep].tolist() for part in (pool.tokens, pool.logprobs, pool.scores))
    return [
        [
            _hypothesis(ids, likely, eos, score)
            for ids, likely, score in zip(tokens[image], logprobs[image], scores[image], strict=True)
            if score > -float("inf")
        ]
        for image in range(len(tokens))
    ]


def _hypothesis(tokens: list[int], logprobs: list[float], eos: int, score: float) -> Hypothesis:
    length = until_end(tokens, eos)
    return Hypothesis(tuple(tokens[:length]), tuple(logprobs[:length]), score)
