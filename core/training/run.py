"""A training run from the first step to the last, wherever it was interrupted."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...cache.errors import UsageError
from ...cache.files import replacing
from ..captioner import Captioner, CaptionerConfig
from ..cider_reward import CiderReward
from ..collective import first_then_all, joined
from ..datasets import open_dataset
from ..device import choose_device
from ..distributed import world
from ..loop import Log, learning_rate, read_state, recipe, seeded
from ..progress import Progress
from ..train_config import TrainConfig
from .board import Board
from .captions import Captions, run_tokenizer
from .objectives import CrossEntropy, Objective, SelfCritical
from .pictures import Pictures
from .record import Record
from .starting import started_from
from .steps import PartLoss, Steps
from .validation import Validation


@dataclass(frozen=True)
class _Begun:
    """A step whose pictures are being read.

    Attributes:
        objective: by which it is to be made.
        step: its number.
        pictures: how many it has.
        loss_of: the loss of a part of them.
    """

    objective: Objective
    step: int
    pictures: int
    loss_of: PartLoss

    def fits(self, objective: Objective, step: int) -> bool:
        """Whether this is that step; a phase that begins, or a test, wants another one."""
        return self.objective is objective and self.step == step


class Run:
    """One training run: the captioner, its optimizer, and where it stands.

    The first phase has `first` steps of cross-entropy, the second, self-critical one goes on to `total`.
    """

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out, self.world = config, out, world()
        optim = config.optim
        if optim.threads:
            torch.set_num_threads(optim.threads)
        self.device = choose_device(optim.device)
        seeded(optim.seed, 0)
        data = config.data
        self.train_set = open_dataset(data.train_images, data.train_annotations, split=data.train_split)
        self.val_set = open_dataset(data.val_images, data.val_annotations, split=data.val_split)
        self.captioner = first_then_all(self.world, self._captioner)
        if optim.freeze_encoder:
            self.captioner.encoder.requires_grad_(requires_grad=False)
        self.captions = Captions.of(self.train_set, self.captioner.tokenizer, config.decoder.max_length)
        if min(optim.batch, len(self.captions)) < self.world.size:
            raise UsageError(f"optim.batch: {self.world.size} processes cannot share a batch of {optim.batch} pictures")
        self.steps_an_epoch = max(1, len(self.captions) // optim.batch)
        self.first = self.steps_an_epoch * optim.epochs
        self.total = self.first + self.steps_an_epoch * config.self_critical.epochs
        self.steps = Steps(self.captioner, optim, self.world)
        self.step, self.best, self.seconds = 0, -math.inf, 0.0
        self._losses: list[float] = []  # since the last line of the log
        self._rewards: list[float] = []
        self._objective: tuple[bool, Objective] | None = None
        self._begun: _Begun | None = None
        self._validation: Validation | None = None
        self.record = Record(out, config, str(self.device), self.total)
        self._restore()
        self.log = Log(out / "log.jsonl", self.step)
        self.board = Board(out / "tensorboard" if optim.tensorboard and self.world.is_first else None, self.step)

    @property
    def judged(self) -> Captioner:
        """The captioner that is validated and kept: the averaged one, if there is one."""
        return self.steps.judged

    @property
    def self_critical(self) -> bool:
        """Whether the next step belongs to the self-critical phase."""
        return self.step >= self.first

    def train(self) -> Path:
        """Run to the end; the folder of the best checkpoint."""
        if self.world.is_first:
            self.record.write(self.step, self.seconds)
        pictures = first_then_all(self.world, lambda: Pictures(self.train_set, self.captioner, self.config))
        started, saved = time.monotonic() - self.seconds, time.monotonic()
        with Progress("training", self.total, unit="steps") as progress:
            progress.restart_from(self.step)
            while self.step < self.total:
                self.one_step(pictures)
                progress.update(1, self._note())
                self.seconds = time.monotonic() - started
                self._end_of_step()
                if time.monotonic() - saved > 60 * self.config.optim.save_minutes or self.step == self.total:
                    self.save()
                    saved = time.monotonic()
        self.board.close()
        return self.out / "best"

    def one_step(self, pictures: Pictures) -> float:
        """The next step; its loss."""
        if self.step == self.first and self.first:
            self._begin_self_critical()
        optim = self.config.optim
        objective = self._wanted_objective(pictures)
        begun = self._begun
        if begun is None or not begun.fits(objective, self.step):
            begun = self._begin(objective, self.step)
        self._begun = self._begin(objective, self.step + 1)  # its pictures are read while this step computes
        self.captioner.train(not self.self_critical)
        if optim.freeze_encoder:
            self.captioner.encoder.eval()
        random = partial(seeded, optim.seed, self.step + 1)
        loss = self.steps.take(begun.pictures, self._rate(), random, begun.loss_of)
        self.step += 1
        self._losses.append(loss)
        if isinstance(objective, SelfCritical):
            self._rewards.append(float(np.mean(objective.rewards)))
            objective.rewards.clear()
        return loss

    def _begin(self, objective: Objective, step: int) -> _Begun:
        """Make the random choices of a step, and begin to read its pictures."""
        optim = self.config.optim
        epoch, place = divmod(step, self.steps_an_epoch)
        order = np.random.default_rng([optim.seed, epoch]).permutation(len(self.captions))
        rows = order[place * optim.batch : (place + 1) * optim.batch]
        return _Begun(objective, step, len(rows), objective(rows, seeded(optim.seed, step + 1)))

    def _captioner(self) -> Captioner:
        """The captioner to begin with, fresh or with the weights of `start_from`."""
        config, start = self.config, self.config.start_from
        shape = CaptionerConfig(config.encoder, config.decoder)
        if start is not None:
            return started_from(start, shape).to(self.device)
        captions = [caption for item in self.train_set for caption in item.references]
        if not captions:
            raise UsageError(f"{config.data.train_annotations}: no captions to learn from")
        return Captioner(shape, run_tokenizer(config.data, captions, self.out)).to(self.device)

    def _wanted_objective(self, pictures: Pictures) -> Objective:
        """The loss of this phase, made when it is first needed."""
        if self._objective is None or self._objective[0] != self.self_critical:
            self._objective = (self.self_critical, self._make_objective(pictures))
        return self._objective[1]

    def _make_objective(self, pictures: Pictures) -> Objective:
        if not self.self_critical:
            return CrossEntropy(self.captioner, pictures, self.captions, self.config)
        reward = CiderReward.of_captions([self.train_set.items[index].references for index in self.captions.pictures])
        return SelfCritical(self.captioner, pictures, self.captions, reward, self.config)

    def _begin_self_critical(self) -> None:
        """Go on from the weights that were validated, with a fresh optimizer."""
        self.captioner.load_state_dict(self.judged.state_dict())
        self.steps.begin()

    def _rate(self) -> float:
        """Share of each parameter group's peak rate at this step."""
        optim, second = self.config.optim, self.config.self_critical
        if not self.self_critical:
            return learning_rate(self.step, self.first, optim.warmup)
        share = learning_rate(self.step - self.first, self.total - self.first, optim.warmup)
        return share * second.lr / optim.lr

    def _note(self) -> str:
        if self._rewards:
            return f"reward {np.mean(self._rewards):.3f}"
        return f"loss {np.mean(self._losses):.3f}"

    def _end_of_step(self) -> None:
        """Log the end of an epoch, and validate where it is time."""
        epoch, rest = divmod(self.step, self.steps_an_epoch)
        self.board.add(self.step, {"train/loss": self._losses[-1]})
        validates = self._validates()
        if rest and not validates:
            return
        at = round(self.step / self.steps_an_epoch, 3) if rest else epoch
        row: dict[str, Any] = {"epoch": at, "step": self.step, "loss": round(float(np.mean(self._losses)), 4)}
        if self._rewards:
            row["reward"] = round(float(np.mean(self._rewards)), 4)
        self._losses, self._rewards = [], []
        if not self.world.is_first:
            return
        if validates:
            row["cider"] = round(self._validate(), 4)
        self.log.add(row)
        self.board.add(self.step, {f"epoch/{name}": row[name] for name in ("loss", "reward", "cider") if name in row})

    def _validates(self) -> bool:
        """Whether the captioner is validated behind the present step."""
        optim = self.config.optim
        every = optim.validate_steps or self.steps_an_epoch * optim.validate_every
        return self.step % every == 0 or self.step in (self.first, self.total)

    def _validate(self) -> float:
        """Validate and keep the checkpoints; the CIDEr."""
        if self._validation is None:
            self._validation = Validation(self.val_set, self.captioner, self.config)
        cider = self._validation.cider(self.judged)
        names = ["last"]
        if cider > self.best:
            self.best = cider
            names.append("best")
        for name in names:
            self.judged.save(self.out / name)
            self.record.checkpoint(name, self.step, cider)
        self.record.write(self.step, self.seconds)
        return cider

    def save(self) -> None:
        """Write the resumable state, which is the same in all processes."""
        if not self.world.is_first:
            return
        state: dict[str, Any] = {
            "recipe": recipe(self.config),
            "step": self.step,
            "best": self.best,
            "seconds": self.seconds,
            "losses": self._losses,
            "rewards": self._rewards,
            "checkpoints": self.record.checkpoints,
            "captioner": self.captioner.state_dict(),
            "steps": self.steps.state(),
        }
        with replacing(self.out / "state.pt") as temporary:
            torch.save(state, temporary)

    def _restore(self) -> None:
        state = read_state(self.out / "state.pt", recipe(self.config), self.device)
        if state is None:
            return
        self.captioner.load_state_dict(state["captioner"])
        self.steps.restore(state["steps"])
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
        self._losses, self._rewards = state["losses"], state["rewards"]
        self.record.checkpoints.update(state["checkpoints"])


def train(config: TrainConfig, out: Path) -> Path:
    """Train as `config` says into `out`, going on where an interrupted run with equal settings stopped.

    Several processes (`distributed.world`) share each batch; the first one validates, saves and logs.

    Returns:
        The folder of the best checkpoint by validation CIDEr.

    Raises:
        UsageError: `out` holds a run with other settings, or there is nothing to learn from.
        DatasetError, CheckpointError: data or weights cannot be read.
    """
    with joined(world(), choose_device(config.optim.device)):
        return Run(config, out).train()
