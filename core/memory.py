"""When memory runs out: a smaller batch and on; and how large a batch may be to begin with.

Contract: work on a batch gives for each entry what it would give alone (up to rounding), so that it can be done in
parts. What a part needs is found by trying: models, search and precision all have their say in it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeVar

import torch

from ..cache.errors import UsageError

_In = TypeVar("_In")
_Out = TypeVar("_Out")

Batch = int | Literal["auto"]
"""Entries at once, or `auto`: as many as memory takes."""

FIRST_TRY: Final = 8
CPU_BATCH: Final = 32
LARGEST: Final = 512
"""Beyond it a GPU is busy anyway, and a batch that is lost to a kill costs more."""

# cuBLAS and cuDNN ask for memory of their own, and a CPU's allocator has no exception class.
_PHRASES: Final = (
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "not enough memory",
    "can't allocate memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory, a GPU's or the machine's, was too small for a tensor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in _PHRASES)


def release() -> None:
    """Give back what a failed attempt has left; call it when its exception, which holds its tensors, is gone."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


class Fitting:
    """Does work on batches in parts that fit in memory. When it runs out, the parts get half as large, and stay so.

    Args:
        what: the work, as the line that tells of smaller parts calls it (``"captioning"``).
        unit: what a batch is made of, in the plural.

    Attributes:
        most: entries of a part at most; None until memory has run out.
    """

    def __init__(self, what: str, unit: str = "pictures") -> None:
        self._what, self._unit = what, unit
        self.most: int | None = None

    def __call__(self, work: Callable[[Sequence[_In]], Sequence[_Out]], batch: Sequence[_In]) -> list[_Out]:
        """What `work` makes of each entry of a batch, in their order.

        Raises:
            UsageError: Memory is too small for a single entry.
        """
        found: list[_Out] = []
        while len(found) < len(batch):
            start = len(found)
            size = min(self.most or len(batch), len(batch) - start)
            part = self._attempt(work, batch[start : start + size])
            if part is None:
                self._halve(size)
            else:
                found += part
        return found

    def _attempt(self, work: Callable[[Sequence[_In]], Sequence[_Out]], part: Sequence[_In]) -> Sequence[_Out] | None:
        """What `work` makes of a part; None where memory ran out."""
        try:
            return work(part)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(part) == 1:
                raise UsageError(f"memory ran out: {self._what} needs more for a single one of the {self._unit}; take "
                                 "a smaller model, fp16, or another device") from error  # fmt: skip
            return None

    def _halve(self, size: int) -> None:
        release()
        self.most = size // 2
        print(f"memory ran out: {self._what} goes on with {self.most} {self._unit} at once", file=sys.stderr)


def largest_batch(attempt: Callable[[int], object], first: int = FIRST_TRY, most: int = LARGEST) -> int:
    """The largest batch that fits, found by doubling.

    Args:
        attempt: does the work once on so many entries.
        first: where doubling begins; also the answer where not even that fits, since `Fitting` goes on from there.
        most: where it ends.
    """
    size = first
    while size <= most and _fits(attempt, size):
        size *= 2
    release()
    return max(first, size // 2)


def automatic_batch(attempt: Callable[[int], object]) -> int:
    """Entries at once where none are asked for: what fits on a GPU (`largest_batch`), a fixed number on a CPU.

    On a CPU more entries at once stop helping when every core has work; memory is no reason for fewer. The models are
    on a GPU by the time this is called, or they will never be.
    """
    on_gpu = torch.cuda.is_available() and torch.cuda.memory_allocated() > 0
    return largest_batch(attempt) if on_gpu else CPU_BATCH


def _fits(attempt: Callable[[int], object], size: int) -> bool:
    try:
        attempt(size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
