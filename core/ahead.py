"""Work that threads do in advance, so that the model never waits for pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def ahead(
    pool: ThreadPoolExecutor, work: Callable[[_In], _Out], batches: Sequence[Sequence[_In]]
) -> Iterator[list[_Out]]:
    """Yield ``work`` over each batch in order, the next batch being worked on while the caller uses this one."""
    waiting: list[Future[_Out]] = []
    for batch in batches:
        following = [pool.submit(work, entry) for entry in batch]
        if waiting:
            yield [future.result() for future in waiting]
        waiting = following
    if waiting:
        yield [future.result() for future in waiting]
