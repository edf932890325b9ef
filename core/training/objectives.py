"""What a step makes smaller: cross-entropy of the references, then (if wanted) the self-critical loss.

Contract: an objective is called with the rows of a step's pictures and gives the loss of any part of them, weighted so
that the parts of a batch add up to its loss. The call begins to read the pictures, of this process's part, and may come
well before the loss is wanted. Its randomness depends on (seed, step) alone.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from jaxtyping import Int
from torch import Tensor

from ..captioner import Captioner
from ..cider_reward import CiderReward
from ..decoding import Decoding, sample
from ..device import autocast
from ..self_critical import score, self_critical_loss, teacher_forced
from ..train_config import TrainConfig
from .captions import Captions, caption_loss
from .pictures import Pictures
from .products import PlainProducts
from .steps import PartLoss

Rows = Int[np.ndarray, " row"]


class Objective(Protocol):
    """A kind of loss."""

    def __call__(self, rows: Rows, rng: np.random.Generator) -> PartLoss:
        """The loss of a step on the pictures of these rows of the captions."""


class CrossEntropy:
    """Mean cross-entropy of the next token of references that are drawn."""

    def __init__(self, captioner: Captioner, pictures: Pictures, captions: Captions, config: TrainConfig) -> None:
        self._captioner, self._pictures, self._captions = captioner, pictures, captions
        self._optim = config.optim

    def __call__(self, rows: Rows, rng: np.random.Generator) -> PartLoss:
        """Draw captions and views, then see `Objective`."""
        captioner, optim, pad = self._captioner, self._optim, self._captions.pad_id
        tokens = self._captions.picked(rows, optim.captions, rng).to(captioner.device)
        reading = self._pictures.ahead(self._captions.pictures[rows], rng)
        each = len(tokens) // len(rows)
        targets = tokens[:, 1:]
        wanted = targets != pad
        total = int(wanted.sum())

        def loss_of(part: slice) -> Tensor:
            captions = slice(part.start * each, part.stop * each)
            here = wanted[captions]
            with PlainProducts(), autocast(captioner.device, optim.precision):
                memory = self._pictures.encoded(captioner, *reading.part(part))
                logits = captioner.decoder(memory.tokens, tokens[captions, :-1], here)
            share = int(here.sum()) / total
            return share * caption_loss(logits, targets[captions][here], pad, optim.label_smoothing)

        return loss_of


class SelfCritical:
    """Captions that are drawn, each compared by CIDEr with the others of its picture.

    Args:
        captioner: in evaluation mode, since dropout in the pass with gradients would bias them.
        pictures: what is captioned.
        captions: their references, the rows of `reward`.
        reward: scores what was drawn.
        config: settings of the run.

    Attributes:
        rewards: mean reward of each part that was worked on; whoever reads them clears them.
    """

    def __init__(
        self,
        captioner: Captioner,
        pictures: Pictures,
        captions: Captions,
        reward: CiderReward,
        config: TrainConfig,
    ) -> None:
        self._captioner, self._pictures, self._captions, self._reward = captioner, pictures, captions, reward
        phase = config.self_critical
        self._samples, self._precision = phase.samples, config.optim.precision
        self._decoding = Decoding(sample=True, temperature=phase.temperature, max_length=phase.max_length)
        self.rewards: list[float] = []

    def __call__(self, rows: Rows, rng: np.random.Generator) -> PartLoss:
        """Draw views, then see `Objective`; captions are drawn for each part."""
        captioner = self._captioner
        reading = self._pictures.ahead(self._captions.pictures[rows], rng)
        seed = int(rng.integers(2**63))

        def loss_of(part: slice) -> Tensor:
            generator = np.random.default_rng([seed, part.start])
            with PlainProducts(), autocast(captioner.device, self._precision):
                memory = self._pictures.encoded(captioner, *reading.part(part))
                tokens = sample(captioner, memory, self._samples, self._decoding, generator)
                logprobs, mask = teacher_forced(captioner, memory, tokens, self._decoding.temperature)
            rewards = score(captioner.tokenizer, tokens, rows[part], self._reward)
            self.rewards.append(float(rewards.mean()))
            return len(rewards) / len(rows) * self_critical_loss(logprobs, mask, rewards)

        return loss_of
