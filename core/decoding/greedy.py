"""Greedy search: the likeliest token at each step."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..captioner import Captioner
from .constraints import Constraints
from .options import Hypothesis, until_end


def greedy(
    captioner: Captioner, memory: Float[Tensor, "image position channel"], steps: int, constraints: Constraints
) -> list[list[Hypothesis]]:
    """One caption of each image, of at most `steps` tokens; its score is its log-probability."""
    eos, pad = captioner.tokenizer.eos_id, captioner.tokenizer.pad_id
    state = captioner.decoder.start(memory)
    begin = tokens = torch.full((memory.shape[0],), captioner.tokenizer.bos_id, device=memory.device)
    done = torch.zeros_like(tokens, dtype=torch.bool)
    written: list[Tensor] = []
    likely: list[Tensor] = []
    for _ in range(steps):
        logprobs = captioner.log_probs(captioner.decoder.step(state, tokens))
        if constraints:
            logprobs = constraints.apply(logprobs, torch.stack([begin, *written], 1)[:, 1:])
        best = logprobs.max(dim=-1)
        tokens = best.indices.masked_fill(done, pad)
        written.append(tokens)
        likely.append(best.values)
        done |= tokens == eos
        if bool(done.all()):
            break
    return [
        [_hypothesis(row, values, eos)]
        for row, values in zip(torch.stack(written, 1).tolist(), torch.stack(likely, 1).tolist(), strict=True)
    ]


def _hypothesis(tokens: list[int], logprobs: list[float], eos: int) -> Hypothesis:
    length = until_end(tokens, eos)
    return Hypothesis(tuple(tokens[:length]), tuple(logprobs[:length]), sum(logprobs[:length]))
