"""`decode`: one way in to all searches."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..captioner import Captioner
from ..encoder import Memory
from .beam import beam
from .constraints import Constraints
from .greedy import greedy
from .options import Decoding, Hypothesis
from .sampling import sampled


@torch.inference_mode()
def decode(
    captioner: Captioner, memory: Memory, decoding: Decoding, keys: Sequence[bytes] | None = None
) -> list[list[Hypothesis]]:
    """Caption each image of `memory`: a list of hypotheses an image, best first, at most ``decoding.keep``.

    Args:
        captioner: in evaluation mode.
        memory: the images.
        decoding: the search.
        keys: for sampling, something that tells each picture from others, such as its bytes: what is drawn for a
            picture depends on ``decoding.seed`` and its key, not on the batch (up to rounding).

    Raises:
        UsageError: the minimal length is beyond what the decoder can write.
        ValueError: sampling without a key for each image.
    """
    steps = decoding.steps(captioner.decoder.config.max_length)
    constraints = Constraints(decoding.no_repeat_ngram, decoding.min_length, captioner.tokenizer.eos_id)
    if decoding.sample:
        if keys is None or len(keys) != len(memory.tokens):
            raise ValueError("sampling needs a key for each image")
        return sampled(captioner, memory.tokens, decoding, constraints, keys)
    if decoding.beams == 1:
        return greedy(captioner, memory.tokens, steps, constraints)
    return beam(captioner, memory.tokens, steps, decoding, constraints)
