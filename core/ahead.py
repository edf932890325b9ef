"""Work that threads do in advance, so that the models never wait for pictures, nor for the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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


def meanwhile(work: Callable[[_In], _Out], things: Iterable[_In]) -> Iterator[_Out]:
    """Yield ``work`` of each thing in order; a thread is at the next one while the caller uses this one.

    Where `things` fail, what was got of them before is yielded first.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting: Future[_Out] | None = None
        try:
            for thing in things:
                following = thread.submit(work, thing)
                if waiting is not None:
                    yield waiting.result()
                waiting = following
        except Exception:
            if waiting is not None:
                yield waiting.result()
            raise
        if waiting is not None:
            yield waiting.result()
