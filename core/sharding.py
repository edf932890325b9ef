"""Several processes share a run: who does what, who is still at work, and how one cache comes of it.

Contract: whole batches are dealt to the processes in turn, so that each batch is made up as it would be in one
process, and its numbers are the same. Every process keeps what it has done in files of its own (`cache.shards`), a
batch at a time; nothing but files on a common file system passes between them, so that none waits for another and each
can be lost and started again. The first process brings it all together in the order of the pictures, does what
processes that were lost have left undone, and finishes the cache.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, TypeVar

from ..cache.shards import Shard, key_of, shards_folder
from ..cache.succession import is_finished, successor
from ..cache.work import identity_of
from ..cache.writer import CacheWriter
from .distributed import World

_T = TypeVar("_T")

SILENCE: Final = 180.0
"""Seconds without a sign of life after which a process counts as lost; network drives may show a file a minute late."""

_BEAT: Final = 5.0  # seconds between signs of life
_POLL: Final = 1.0  # seconds between looks at what the others have done
_LAST_WORDS: Final = 10.0  # seconds for a process that has done everything to end
_ENDED: Final = "ended"
_AT_ONCE: Final = 64  # pictures that pass through memory when shards are brought together


def blocks_of(things: Sequence[_T], size: int) -> list[Sequence[_T]]:
    """Cut a sequence into blocks of `size`, the last one perhaps shorter."""
    return [things[start : start + size] for start in range(0, len(things), size)]


def dealt(blocks: Sequence[_T], world: World) -> Sequence[_T]:
    """This process's share: every `size`-th block, from its rank on."""
    return blocks[world.rank :: world.size]


class Roll:
    """Signs of life: a small file of each process, rewritten every few seconds.

    Args:
        stem: the files are called this, with the rank and ``.alive`` behind it.
        world: who is there.
        silence: seconds after which a process counts as lost.
        clock: seconds that only grow; what counts is how long a file stays the same, not what its date says, since
            clocks of machines differ.
    """

    def __init__(
        self, stem: Path, world: World, *, silence: float = SILENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stem, self._world, self._silence, self._clock = stem, world, silence, clock
        self._last: dict[int, tuple[str, float]] = {}  # a sign, and since when it is the same
        self._old: dict[int, str] = {}  # signs of an earlier run

    def file(self, rank: int) -> Path:
        """A process's sign of life."""
        return self._stem.with_name(f"{self._stem.name}{rank}.alive")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Give signs of life while the block runs; in the end, whatever comes, say that it is over."""
        over = Event()

        def beat() -> None:
            while not over.wait(_BEAT):
                self._write(str(time.time()))

        self._write(str(time.time()))
        thread = Thread(target=beat, name="sign of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._write(f"{_ENDED} {time.time()}")

    def call(self) -> None:
        """Begin to watch the others: what an earlier run has left says nothing about them."""
        self._last = {rank: (self._sign(rank), self._clock()) for rank in self._others()}
        self._old = {rank: sign for rank, (sign, _) in self._last.items()}

    def awaited(self, *, anything_left: bool = True) -> list[int]:
        """The other processes to wait for.

        Args:
            anything_left: whether there are pictures that nobody has done; else one waits for those at work to end.
        """
        return [rank for rank in self._others() if not self._is_over(rank, anything_left=anything_left)]

    def _others(self) -> list[int]:
        return [rank for rank in range(self._world.size) if rank != self._world.rank]

    def _is_over(self, rank: int, *, anything_left: bool) -> bool:
        sign, now = self._sign(rank), self._clock()
        last, since = self._last[rank]
        if sign != last:
            self._last[rank] = (sign, now)
            since = now
        if not anything_left:
            return not sign or sign.startswith(_ENDED) or now - since > _LAST_WORDS
        return (sign.startswith(_ENDED) and sign != self._old[rank]) or now - since > self._silence

    def _sign(self, rank: int) -> str:
        """What a process has written last; empty where that is nothing."""
        try:
            return self.file(rank).read_text()
        except (OSError, ValueError):  # none yet, or being written
            return ""

    def _write(self, sign: str) -> None:
        with suppress(OSError):  # the run may be finished, and the folder gone
            self.file(self._world.rank).write_text(sign)


class SharedCache:
    """The cache of a run that several processes share, or have begun to share.

    Args:
        folder: where the cache will be.
        plan: as `CacheWriter`'s.
        count: number of pictures.
        exact: as `CacheWriter`'s.
        world: the processes.
        silence: see `Roll`.
    """

    def __init__(
        self, folder: Path, plan: Mapping[str, Any], count: int, *, exact: bool, world: World, silence: float = SILENCE
    ) -> None:
        self._folder, self._plan, self._count, self._exact, self._world = folder, plan, count, exact, world
        self._key = key_of(identity_of(plan, count, exact=exact))
        self._place = shards_folder(folder) / self._key
        self._shards: dict[str, Shard] = {}
        self._roll = Roll(self._place / "_", world, silence=silence)

    @contextmanager
    def own(self) -> Iterator[CacheWriter]:
        """This process's shard, open for writing, with signs of life.

        Raises:
            CacheError: it cannot be written, or another process is at it.
        """
        place = self._place / str(self._world.rank)
        with CacheWriter(place, self._plan, self._count, exact=self._exact) as writer, self._roll.at_work():
            yield writer

    def is_finished(self) -> bool:
        """Whether a finished cache is in place, by this run or another."""
        return is_finished(self._folder)

    def done(self) -> set[int]:
        """The pictures that somebody has done: this process need not."""
        cache = [Shard(place) for place in (self._folder, successor(self._folder))]
        found = [place.refresh() for place in cache if place.key() == self._key]
        return set().union(*(shard.ready for shard in (*found, *self.refresh())))

    def gathering(self, writer: CacheWriter, blocks: Sequence[Sequence[int]]) -> Gathering:
        """Begin, in the first process, to bring everything into the cache and to watch the other processes.

        Args:
            writer: of the cache.
            blocks: the pictures of each batch.
        """
        self._roll.call()
        return Gathering(self, self._roll, writer, blocks)

    def refresh(self) -> Collection[Shard]:
        """The shards that there are, whoever has begun them, up to date."""
        for place in self._place.glob("[0-9]*"):
            self._shards.setdefault(place.name, Shard(place))
        return [shard.refresh() for shard in self._shards.values()]

    def remove(self) -> None:
        """Remove the shards, of other plans too; the cache is finished."""
        shutil.rmtree(shards_folder(self._folder), ignore_errors=True)


class Gathering:
    """All shards on their way into the cache, a batch after the other in the order of the pictures.

    Made by `SharedCache.gathering`.

    Attributes:
        kept: pictures that are in the cache.
        done: number of pictures that are done, wherever they are, as of the last step.
    """

    def __init__(self, shared: SharedCache, roll: Roll, writer: CacheWriter, blocks: Sequence[Sequence[int]]) -> None:
        self._shared, self._roll, self._writer = shared, roll, writer
        self.kept = set(writer.captioned() & writer.embedded())
        self._count = sum(map(len, blocks))
        self._left = deque(blocks)
        self.done = len(self.kept)

    def step(self, *, in_order: bool = True) -> None:
        """Take over what has been done since the last time.

        Args:
            in_order: stop before the first batch that is not done, so that the files grow as one process's do.
        """
        shards = self._shared.refresh()
        self.done = len(self.kept.union(*(shard.ready for shard in shards)))
        for _ in range(len(self._left)):
            block = self._left.popleft()
            wanted = [index for index in block if index not in self.kept]
            self._adopt(wanted, shards)
            if self.kept.issuperset(wanted):
                continue
            self._left.append(block)
            if in_order:
                self._left.rotate(1)
                return

    def wait(self, tell: Callable[[], None] = lambda: None) -> None:
        """Take over what the other processes do until each has ended or is lost; `tell` is called now and then."""
        self.step()
        while self._roll.awaited(anything_left=self.done < self._count):
            tell()
            time.sleep(_POLL)
            self.step()
        self.step(in_order=False)
        tell()
        if self.done < self._count:
            left = self._count - self.done
            print(f"other processes have ended without doing {left:,} pictures: done here", file=sys.stderr)

    def _adopt(self, wanted: Sequence[int], shards: Collection[Shard]) -> None:
        for shard in shards:
            ready = [index for index in wanted if index in shard.ready and index not in self.kept]
            for part in blocks_of(ready, _AT_ONCE):
                rows = shard.rows(part)
                if rows is not None:
                    self._writer.adopt(rows)
                    self.kept.update(part)
