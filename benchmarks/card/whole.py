"""Whole runs of `hw3 precompute` on a folder of pictures: how long, and what took how much of it."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from measuring.clocks import once

from hw3_browse.cache.writer import CacheWriter
from hw3_browse.core.clip import ClipSpec
from hw3_browse.core.datasets import open_dataset
from hw3_browse.core.decoding import Decoding
from hw3_browse.core.precompute import Options, Precompute

from .stages import Setup


@dataclass(frozen=True, slots=True)
class Whole:
    """One run.

    Attributes:
        seconds: from the first picture to the finished cache, models loaded before.
        shares: what was at work in which share of that time; what goes on at once sums to more than 1.
        gigabytes: the most memory of the card that tensors had; 0 without one.
        folder: the cache.
    """

    seconds: float
    shares: dict[str, float]
    gigabytes: float
    folder: Path


class _Spy:
    """Adds up the seconds that are spent in some functions, whatever thread calls them."""

    def __init__(self, stack: ExitStack) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack, self._lock = stack, threading.Lock()

    def on(self, owner: object, name: str, label: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **settings: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(*args, **settings)
            finally:
                with self._lock:
                    self.seconds[label] += time.perf_counter() - began

        self._stack.enter_context(mock.patch.object(owner, name, timed))


def precompute(setup: Setup, folder: Path, precision: str, beams: int) -> Whole:
    """Captions, attention and CLIPScores of a folder of pictures into a new cache, no embedding being kept yet."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "kept")
    options = Options(
        decoding=Decoding(beams=beams, max_length=setup.tokens), batch=setup.batch, workers=setup.workers,
        device=str(setup.device), precision=precision,  # type: ignore[arg-type]
    )  # fmt: skip
    run = Precompute(open_dataset(setup.images), setup.captioner, ClipSpec(str(setup.clip)), options)
    if setup.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with ExitStack() as stack:
        spy = _Spy(stack)
        spy.on(run.captioner, "write", "captions, attention")
        spy.on(run.clip, "embed_images", "CLIP, pictures")
        spy.on(run.clip, "embed_texts", "CLIP, texts")
        spy.on(CacheWriter, "add_captioned", "packing, writing")
        seconds, finished = once(lambda: run.run(folder / "run"))
    gigabytes = torch.cuda.max_memory_allocated() / 2**30 if setup.device.type == "cuda" else 0.0
    return Whole(seconds, {name: busy / seconds for name, busy in spy.seconds.items()}, gigabytes, finished)
