"""Times that can be compared: both sides in turn in the same run, medians, ratios."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .tables import number

_TICK: Final = 0.01  # seconds, by which the processor's time is counted


@dataclass(frozen=True, slots=True)
class Timed:
    """One side of a comparison.

    Attributes:
        seconds: of each round.
        processor: seconds of the processor, all threads and ended child processes together, of each round. They tell
            more than seconds where other programs want the same cores.
        found: what the last round gave.
    """

    seconds: tuple[float, ...]
    processor: tuple[float, ...]
    found: Any = None

    @property
    def median(self) -> float:
        """The middle round's seconds."""
        return statistics.median(self.seconds)


def once(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that `work` takes, work of a GPU included, and what it gives."""
    settle()
    began = time.perf_counter()
    found = work()
    settle()
    return time.perf_counter() - began, found


def in_turn(sides: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Timed]:
    """Time each side `rounds` times, one side after the other in each round, so that noise meets both alike."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for name, work in sides.items():
            before = processor_seconds()
            seconds, found[name] = once(work)
            took[name].append((seconds, processor_seconds() - before))
    clocks = {name: list(zip(*pairs, strict=True)) for name, pairs in took.items()}
    return {name: Timed(clocks[name][0], clocks[name][1], found[name]) for name in sides}


def ratio(slow: Timed, quick: Timed) -> str:
    """How many times as long the slow side takes, and how much more of the processor: medians of the rounds' ratios."""
    each = ((slow.seconds, quick.seconds), (slow.processor, quick.processor))
    times, work = (statistics.median(a / max(b, _TICK) for a, b in zip(*pair, strict=True)) for pair in each)
    return f"{number(times)} ({number(work)})"


def processor_seconds() -> float:
    """What this process and its children that have ended have had of the processor."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def settle() -> None:
    """Wait until a GPU has done what it was asked for."""
    torch = sys.modules.get("torch")  # a process that reads a cache has none
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
