"""Self-critical sequence training: captions are sampled, scored by CIDEr, and made likelier or less likely by that.

Source: Rennie et al. 2017, "Self-critical sequence training for image captioning", with the baseline of Luo 2020, "A
better variant of self-critical sequence training": a sample is compared with the mean of the picture's other samples,
in place of the greedy caption. A step is

    tokens = sample(captioner, memory, captions, decoding, generator)      (core.decoding; without gradients)
    rewards = score(captioner.tokenizer, tokens, pictures, cider)          [image, caption]
    logprobs, mask = teacher_forced(captioner, memory, tokens)             with gradients
    self_critical_loss(logprobs, mask, rewards).backward()

The gradient is REINFORCE's where sampling and teacher-forced pass are of one distribution: the same temperature, the
whole vocabulary, no constraints, and no dropout in the pass with gradients.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .captioner import Captioner
from .cider_reward import CiderReward
from .encoder import Memory
from .ptb_like import tokenize
from .tokenizer import CaptionTokenizer


def score(
    tokenizer: CaptionTokenizer,
    tokens: Int[Tensor, "caption token"],
    pictures: Int[np.ndarray, " image"],
    reward: CiderReward,
) -> Float[Tensor, "image sample"]:
    """The reward of sampled captions, float32 on the tokens' device.

    Args:
        tokenizer: of the captioner.
        tokens: of `core.decoding.sample`: an image's captions one after the other, as many of each image.
        pictures: of each image, its place among the references of `reward`.
        reward: the scorer.
    """
    samples = len(tokens) // len(pictures)
    ended = (tokens == tokenizer.eos_id).any(dim=1).cpu().numpy()
    words = [tokenize(tokenizer.decode(row).text) for row in _without_padding(tokens, tokenizer.pad_id)]
    found = reward(np.repeat(pictures, samples), words, ended).reshape(len(pictures), samples)
    return torch.from_numpy(found).to(tokens.device, torch.float32)


def teacher_forced(
    captioner: Captioner, memory: Memory, tokens: Int[Tensor, "caption token"], temperature: float = 1.0
) -> tuple[Float[Tensor, "caption token"], Bool[Tensor, "caption token"]]:
    """Log-probability of each token of finished captions, with gradients, and which tokens are none (False).

    Args:
        captioner: in the mode that the caller wants.
        memory: the images; each has as many captions, one after the other.
        tokens: generated ids, ``[PAD]`` behind the ``[EOS]``.
        temperature: by which they were sampled.
    """
    tokenizer = captioner.tokenizer
    mask = tokens != tokenizer.pad_id
    inputs = tokens.roll(1, dims=1)
    inputs[:, 0] = tokenizer.bos_id
    logprobs = captioner.log_probs(captioner.decoder(memory.tokens, inputs) / temperature)
    # [PAD] has a log-probability of -inf, which no mask can multiply away: ask for another token in its place.
    wanted = tokens.masked_fill(~mask, tokenizer.eos_id)
    return logprobs.gather(-1, wanted[:, :, None])[:, :, 0], mask


def self_critical_loss(
    logprobs: Float[Tensor, "caption token"],
    mask: Bool[Tensor, "caption token"],
    rewards: Float[Tensor, "image sample"],
) -> Float[Tensor, ""]:
    """Minus the mean over captions of advantage times log-probability of the caption.

    Its value means little (it is 0 in the mean); its gradient is that of minus the expected reward.

    Args:
        logprobs: of each token, with gradients; an image's captions one after the other.
        mask: which tokens count.
        rewards: of each caption; two or more captions an image.
    """
    of_caption = (logprobs * mask).sum(dim=1)
    return -(advantages(rewards).flatten() * of_caption).mean()


def advantages(rewards: Float[Tensor, "image sample"]) -> Float[Tensor, "image sample"]:
    """How much better a caption is than the mean of the image's other captions.

    Raises:
        ValueError: there are no others.
    """
    samples = rewards.shape[1]
    if samples < 2:  # noqa: PLR2004
        raise ValueError("a self-critical step needs two captions of each picture or more")
    return (rewards - rewards.mean(dim=1, keepdim=True)) * (samples / (samples - 1))


def _without_padding(tokens: Int[Tensor, "caption token"], pad: int) -> list[list[int]]:
    return [[token for token in row if token != pad] for row in tokens.tolist()]
