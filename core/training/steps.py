"""One optimisation step: gradients of a batch's parts add up, and when GPU memory runs out the parts get smaller.

Contract: the outcome of a step is that of the whole batch (up to rounding and dropout), in however many parts it is
worked through, and in however many processes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...cache.errors import UsageError
from ..captioner import Captioner
from ..collective import add_up, part_of
from ..distributed import World
from ..loop import moving_average
from ..memory import is_out_of_memory, release
from ..train_config import OptimConfig

PartLoss = Callable[[slice], Tensor]


class Steps:
    """Optimizer, gradient scaler and moving average of a captioner's trainable weights.

    Args:
        captioner: on its device.
        optim: the settings.
        world: the processes that share each batch.

    Attributes:
        parts: how many parts a batch, or this process's share of it, is worked through in.

    Raises:
        UsageError: fp16 without a GPU.
    """

    def __init__(self, captioner: Captioner, optim: OptimConfig, world: World | None = None) -> None:
        device = captioner.device.type
        if optim.precision == "fp16" and device != "cuda":
            raise UsageError("optim.precision: fp16 needs a GPU; on a CPU take bf16 or fp32")
        self._captioner, self._optim, self._world = captioner, optim, world or World()
        self._scaler = torch.amp.GradScaler(device, enabled=optim.precision == "fp16")
        self.parts = optim.accumulate
        self.begin()

    def begin(self) -> None:
        """A fresh optimizer and average, at the beginning of a phase."""
        optim, captioner = self._optim, self._captioner
        self.optimizer = torch.optim.AdamW(_groups(captioner, optim), lr=optim.lr, betas=(0.9, 0.98))
        self.average = (
            torch.optim.swa_utils.AveragedModel(captioner, multi_avg_fn=moving_average(optim.average))
            if optim.average
            else None
        )

    @property
    def judged(self) -> Captioner:
        """The captioner that is validated and kept: the averaged one, if there is one."""
        return cast("Captioner", self.average.module) if self.average is not None else self._captioner

    def take(self, pictures: int, rate: float, prepare: Callable[[], object], loss_of: PartLoss) -> float:
        """One step on a batch.

        Args:
            pictures: how many the batch has.
            rate: share of each parameter group's peak learning rate.
            prepare: called before each attempt; sets the random state, so that a second attempt is as the first.
            loss_of: the loss of a part of the batch, weighted so that the parts' losses add up to the batch's.

        Returns:
            The loss of the batch.

        Raises:
            UsageError: GPU memory is too small for a single picture.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        loss = None
        while loss is None:
            prepare()
            if not self._world.is_first:
                torch.manual_seed(torch.initial_seed() + self._world.rank)  # dropout of its own
            loss = self._gradients(part_of(pictures, self._world), loss_of)
        loss = add_up(self._captioner.parameters(), loss, self._world)
        self._scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self._captioner.parameters(), self._optim.clip_norm)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        if self.average is not None:
            self.average.update_parameters(self._captioner)
        return loss

    def _gradients(self, mine: slice, loss_of: PartLoss) -> float | None:
        """Gradients of this process's part and its loss; None where memory ran out and the parts are smaller now."""
        self.optimizer.zero_grad(set_to_none=True)
        pictures = mine.stop - mine.start
        size = -(-pictures // max(1, min(self.parts, pictures))) or 1
        total = 0.0
        try:
            for start in range(mine.start, mine.stop, size):
                loss = loss_of(slice(start, min(start + size, mine.stop)))
                self._scaler.scale(loss).backward()
                total += loss.item()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise UsageError("GPU memory is too small for a step with one picture; take a smaller model") from error
            self.parts = -(-pictures // (size // 2))
        else:
            return total
        self.optimizer.zero_grad(set_to_none=True)  # behind the except: the traceback holds the failed step's tensors
        release()
        print(f"GPU memory ran out: steps go on in {self.parts} parts of {size // 2} pictures", file=sys.stderr)
        return None

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, beside the captioner's weights."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "scaler": self._scaler.state_dict(),
            "parts": self.parts,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self._scaler.load_state_dict(state["scaler"])
        self.parts = max(self._optim.accumulate, state["parts"])


def _groups(captioner: Captioner, optim: OptimConfig) -> list[dict[str, Any]]:
    """Parameter groups: encoder and decoder with their own rates, matrices with weight decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in captioner.named_parameters():
        if not parameter.requires_grad:
            continue
        encoder = name.startswith("encoder.")
        peak = optim.encoder_lr if encoder and optim.encoder_lr is not None else optim.lr
        plain = parameter.ndim <= 1 or "position" in name or "embed" in name
        groups.setdefault((peak, 0.0 if plain else optim.weight_decay), []).append(parameter)
    return [{"params": params, "peak": peak, "weight_decay": decay} for (peak, decay), params in groups.items()]
