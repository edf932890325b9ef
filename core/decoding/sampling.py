"""Sampling: tokens are drawn from the captioner's distribution, or from its nucleus.

Source: Holtzman et al. 2020, "The curious case of neural text degeneration". Order of things as in Hugging Face's
`generate`: constraints, then temperature, then the nucleus, then what is left is scaled to a sum of one.

Each token takes one uniform number and the inverse of the cumulative distribution in the order of the token ids. The
numbers of a caption are made before its search, from (seed, key of the picture, number of the caption) alone; so other
pictures of a batch, a longer limit or more captions of the picture change none of them. The same numbers serve on
every device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ..captioner import Captioner
from ..encoder import Memory
from .constraints import Constraints
from .options import Decoding, Hypothesis, until_end

_FEW: Final = 64  # tokens among which a nucleus is looked for first; sorting a whole vocabulary costs more than a step
_MORE: Final = 8


def sample(
    captioner: Captioner, memory: Memory, captions: int, decoding: Decoding, generator: np.random.Generator
) -> Int[Tensor, "caption token"]:
    """Draw `captions` captions of each image in evaluation mode, without gradients: for `core.self_critical`.

    Args:
        captioner: its mode (dropout) is as before afterwards.
        memory: the images.
        captions: of each image; equal ones may come.
        decoding: its temperature, nucleus, constraints and longest caption hold; seed, beams and keep do not.
        generator: where the randomness comes from.

    Returns:
        Generated tokens, the captions of an image one after the other, ``[PAD]`` behind the ``[EOS]``.
    """
    steps = decoding.steps(captioner.decoder.config.max_length)
    constraints = Constraints(decoding.no_repeat_ngram, decoding.min_length, captioner.tokenizer.eos_id)
    numbers = generator.random((len(memory.tokens) * captions, steps))
    training = captioner.training
    captioner.eval()
    try:
        with torch.inference_mode():
            tokens, _ = _draw(captioner, memory.tokens, torch.from_numpy(numbers), decoding, constraints)
    finally:
        captioner.train(training)
    return tokens.clone()  # outside: autograd refuses tensors of the inference mode


def sampled(
    captioner: Captioner,
    memory: Float[Tensor, "image position channel"],
    decoding: Decoding,
    constraints: Constraints,
    keys: Sequence[bytes],
) -> list[list[Hypothesis]]:
    """Draw ``decoding.keep`` captions of each image; equal ones count once, the best by score comes first."""
    eos, steps = captioner.tokenizer.eos_id, decoding.steps(captioner.decoder.config.max_length)
    numbers = [_numbers(decoding.seed, key, number, steps) for key in keys for number in range(decoding.keep)]
    tokens, logprobs = _draw(captioner, memory, torch.from_numpy(np.stack(numbers)), decoding, constraints)
    found: list[list[Hypothesis]] = []
    rows = zip(tokens.tolist(), logprobs.tolist(), strict=True)
    for _ in keys:
        distinct: dict[tuple[int, ...], Hypothesis] = {}
        for _ in range(decoding.keep):
            ids, likely = next(rows)
            length = until_end(ids, eos)
            one = Hypothesis(tuple(ids[:length]), tuple(likely[:length]), decoding.score(likely[:length]))
            distinct.setdefault(one.token_ids, one)
        found.append(sorted(distinct.values(), key=lambda one: -one.score))
    return found


def _numbers(seed: int, key: bytes, number: int, steps: int) -> Float64[np.ndarray, " token"]:
    """The uniform numbers of one caption of one picture; fewer steps take the same first ones."""
    digest = hashlib.blake2b(key, digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest), number]).random(steps)


def _draw(
    captioner: Captioner,
    memory: Float[Tensor, "image position channel"],
    numbers: Float64[Tensor, "caption token"],
    decoding: Decoding,
    constraints: Constraints,
) -> tuple[Int[Tensor, "caption token"], Float[Tensor, "caption token"]]:
    """Captions with their own log-probabilities, cut behind the longest; ``[PAD]`` and anything behind an end."""
    rows, steps = numbers.shape
    numbers = numbers.to(memory.device)
    eos, pad = captioner.tokenizer.eos_id, captioner.tokenizer.pad_id
    state = captioner.decoder.start(memory, captions=rows // len(memory))
    tokens = torch.full((rows, steps), pad, device=memory.device)
    likely = torch.zeros((rows, steps), device=memory.device)
    last = torch.full((rows,), captioner.tokenizer.bos_id, device=memory.device)
    done = torch.zeros_like(last, dtype=torch.bool)
    for step in range(steps):
        logprobs = constraints.apply(captioner.log_probs(captioner.decoder.step(state, last)), tokens[:, :step])
        drawn = pick(logprobs, numbers[:, step], decoding.temperature, decoding.top_p)
        likely[:, step] = logprobs.gather(1, drawn[:, None])[:, 0]
        last = tokens[:, step] = drawn.masked_fill(done, pad)
        done |= last == eos
        if bool(done.all()):
            break
    return tokens[:, : step + 1], likely[:, : step + 1]


def pick(
    logprobs: Float[Tensor, "row vocabulary"], numbers: Float64[Tensor, " row"], temperature: float, top_p: float
) -> Int[Tensor, " row"]:
    """A token of each row, by its uniform number in [0, 1)."""
    # By softmax, not exp: what constraints leave may be so unlikely that all of it would vanish.
    probabilities = (logprobs / temperature).softmax(dim=-1)
    if top_p < 1:
        probabilities, ids = nucleus(probabilities, top_p)
    else:
        ids = None
    cumulative = probabilities.double().cumsum(dim=-1)
    total = cumulative[:, -1:]
    # A product that is rounded up to the total would be behind the last token.
    wanted = (numbers[:, None] * total).minimum(total.nextafter(torch.zeros_like(total)))
    place = torch.searchsorted(cumulative, wanted, right=True)
    return (place if ids is None else ids.gather(1, place))[:, 0]


def nucleus(
    probabilities: Float[Tensor, "row vocabulary"], top_p: float
) -> tuple[Float[Tensor, "row candidate"], Int[Tensor, "row candidate"]]:
    """The smallest set of tokens whose probabilities sum to at least `top_p` of a row's; at least one token.

    Returns:
        Some likely tokens of each row in the order of their ids: probabilities (0 outside of the nucleus), and ids.
    """
    vocabulary = probabilities.shape[1]
    few = min(_FEW, vocabulary)
    goal = top_p * probabilities.sum(dim=-1, keepdim=True, dtype=torch.double)
    while True:
        likely, ids = probabilities.topk(few, dim=-1)
        cumulative = likely.double().cumsum(dim=-1)
        if few == vocabulary or bool((cumulative[:, -1:] >= goal).all()):
            break
        few = min(_MORE * few, vocabulary)
    inside = cumulative - likely < goal  # the tokens before this one do not reach it
    ids, order = ids.sort(dim=-1)
    return likely.masked_fill(~inside, 0).gather(1, order), ids
