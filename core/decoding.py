"""Writing captions: batched greedy and beam search over the decoder's kept keys and values.

Contract: `decode(captioner, memory, decoding)` gives for every image its hypotheses, best first. Token ids are the
GENERATED ones: no ``[BOS]``, with the final ``[EOS]`` unless the length limit cut the caption. Log-probabilities are
of the captioner's own distribution (`Captioner.log_probs`), whatever the search did with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cache.errors import UsageError
from .captioner import Captioner
from .encoder import Memory


@dataclass(frozen=True)
class Decoding:
    """How captions are searched.

    Attributes:
        beams: captions kept at each step; 1 is greedy search.
        length_penalty: exponent of the length in ``log p / length ** length_penalty`` (Wu et al. 2016 use a close
            relative); 0 compares plain log-probabilities, which favours short captions.
        max_length: most tokens generated, ``[EOS]`` included; bounded by the decoder's own limit.
    """

    beams: int = 1
    length_penalty: float = 1.0
    max_length: int = 40

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise UsageError(f"beams = {self.beams}: needs at least 1 (1 is greedy search)")
        if self.max_length < 1:
            raise UsageError(f"max_length = {self.max_length}: needs at least 1 token")

    def to_json(self) -> Mapping[str, Any]:
        """The fields as plain JSON values; greedy search has no length penalty."""
        fields = asdict(self)
        if self.beams == 1:
            del fields["length_penalty"]
        return fields


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One caption of one image.

    Attributes:
        token_ids: generated tokens.
        logprobs: natural-log probability of each.
        score: what the search ranked it by.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    score: float


@torch.inference_mode()
def decode(captioner: Captioner, memory: Memory, decoding: Decoding) -> list[list[Hypothesis]]:
    """Caption each image of `memory`: a list of hypotheses an image, best first (one for greedy search)."""
    steps = min(decoding.max_length, captioner.decoder.config.max_length - 1)
    if decoding.beams == 1:
        return _greedy(captioner, memory.tokens, steps)
    return _beam(captioner, memory.tokens, steps, decoding)


def _greedy(
    captioner: Captioner, memory: Float[Tensor, "image position channel"], steps: int
) -> list[list[Hypothesis]]:
    eos, pad = captioner.tokenizer.eos_id, captioner.tokenizer.pad_id
    state = captioner.decoder.start(memory)
    tokens = torch.full((memory.shape[0],), captioner.tokenizer.bos_id, device=memory.device)
    done = torch.zeros_like(tokens, dtype=torch.bool)
    written, likely = [], []
    for _ in range(steps):
        best = captioner.log_probs(captioner.decoder.step(state, tokens)).max(dim=-1)
        tokens = best.indices.masked_fill(done, pad)
        written.append(tokens)
        likely.append(best.values)
        done |= tokens == eos
        if bool(done.all()):
            break
    return [
        [_hypothesis(row, values, eos, float("nan"))]
        for row, values in zip(torch.stack(written, 1).tolist(), torch.stack(likely, 1).tolist(), strict=True)
    ]


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


def _beam(
    captioner: Captioner, memory: Float[Tensor, "image position channel"], steps: int, decoding: Decoding
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
        logprobs = captioner.log_probs(captioner.decoder.step(state, last)).unflatten(0, (images, beams))
        longer, parents = _extend(running, logprobs, step)
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
    return _collect(pool, eos)


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


def _collect(pool: _Beams, eos: int) -> list[list[Hypothesis]]:
    tokens, logprobs, scores = pool.tokens.tolist(), pool.logprobs.tolist(), pool.scores.tolist()
    return [
        [
            _hypothesis(ids, likely, eos, score)
            for ids, likely, score in zip(tokens[image], logprobs[image], scores[image], strict=True)
            if score > -float("inf")
        ]
        for image in range(len(tokens))
    ]


def _hypothesis(tokens: list[int], logprobs: list[float], eos: int, score: float) -> Hypothesis:
    length = tokens.index(eos) + 1 if eos in tokens else len(tokens)
    kept = tuple(logprobs[:length])
    return Hypothesis(tuple(tokens[:length]), kept, sum(kept) if score != score else score)  # noqa: PLR0124
