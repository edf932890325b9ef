"""A caption for every picture of a dataset, into a file; what was interrupted goes on.

Contract: captions are kept batch by batch in a file beside the wanted one, whose name has the run's plan (pictures,
captioner, decoding): the same run goes on behind its last batch, another one has its own file. The wanted file appears
whole, at the end, and the other goes. Of several processes each has a file of its own (see `sharding`); the first one
brings them together.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..cache.errors import DatasetError
from ..cache.text import printable
from .ahead import ahead
from .captioners import CaptionModel
from .datasets import Dataset, Item, load_image
from .decoding import Decoding
from .distributed import World, world
from .memory import Batch, Fitting, automatic_batch
from .predictions import Form, write_predictions
from .progress import Progress
from .sharding import SILENCE, Roll, blocks_of, dealt

_PLAN_DIGITS: Final = 12
_POLL: Final = 1.0  # seconds between looks at what the other processes have done
_BLOCK: Final = 32  # pictures that are dealt to a process at once, where batches have no size yet


@dataclass(frozen=True)
class Options:
    """How `write_captions` works.

    Attributes:
        decoding: The caption search.
        precision: Of the captioner; a part of the plan.
        batch: Pictures at once, or ``auto``.
        workers: Threads that read pictures.
        form: Of the file, see `write_predictions`.
        world: The processes that share the work.
        silence: See `sharding.Roll`.
    """

    decoding: Decoding = field(default_factory=Decoding)
    precision: str = "fp32"
    batch: Batch = 32
    workers: int = 2
    form: Form = "names"
    world: World = field(default_factory=world)
    silence: float = SILENCE


def write_captions(dataset: Dataset, captioner: CaptionModel, out: Path, options: Options) -> None:
    """Caption all pictures into a file. Of several processes, all but the first return when they have done their share.

    Args:
        dataset: The pictures.
        captioner: The model.
        out: The file; one that is there is replaced.
        options: How.

    Raises:
        DatasetError: A picture cannot be read, or the file not be written; what was done is kept.
    """
    parts = _Parts(out, _plan(dataset, captioner, options))
    work = _Captioning(dataset, captioner, options)
    roll = Roll(parts.stem, options.world, silence=options.silence)
    mine = dealt(work.blocks, options.world)
    if not options.world.is_first:
        with parts.own(options.world.rank) as part, roll.at_work():
            work.caption(mine, parts.captions(), part)
        return
    roll.call()
    with parts.own(0) as part, Progress("captions", len(dataset), unit="pictures") as progress:
        captions = parts.captions()
        progress.restart_from(len(captions))
        if options.world.size > 1:
            work.caption(mine, captions, part, progress)
            captions = _awaited(parts, roll, len(dataset), progress)
        work.caption(work.blocks, captions, part, progress)
        captions = parts.captions()
        write_predictions(out, dataset.items, [captions[item.index] for item in dataset], options.form)
    parts.remove()


def _awaited(parts: _Parts, roll: Roll, count: int, progress: Progress) -> dict[int, str]:
    """The captions of all processes, when each has ended or is lost."""
    while True:
        awaited = roll.awaited(anything_left=progress.done < count)
        captions = parts.captions()  # behind the question: a process writes first, and says then that it ends
        progress.update(len(captions) - progress.done)
        if not awaited:
            return captions
        time.sleep(_POLL)


class _Captioning:
    """Captions pictures batch by batch.

    Attributes:
        blocks: The pictures in portions that are dealt to processes: those of a batch each, where its size is known.
    """

    def __init__(self, dataset: Dataset, captioner: CaptionModel, options: Options) -> None:
        self._dataset, self._captioner, self._options = dataset, captioner, options
        self._fitting = Fitting("captioning")
        self.blocks = blocks_of(dataset.items, _BLOCK if options.batch == "auto" else options.batch)

    def caption(
        self,
        blocks: Sequence[Sequence[Item]],
        known: Mapping[int, str],
        part: _Part,
        progress: Progress | None = None,
    ) -> None:
        """Caption the pictures of some blocks that have no caption."""
        left = [[item for item in block if item.index not in known] for block in blocks]
        batches: list[Sequence[Item]] = [block for block in left if block]
        if self._options.batch == "auto" and batches:
            batches = blocks_of([item for block in batches for item in block], self._fitting_batch(batches[0][0]))
        with ThreadPoolExecutor(self._options.workers) as pool:
            for batch, inputs in zip(batches, ahead(pool, self._load, batches), strict=True):
                part.add(dict(self._fitting(self._write, list(zip(batch, inputs, strict=True)))))
                if progress is not None:
                    progress.update(len(batch))

    def _load(self, item: Item) -> NDArray[Any]:
        return self._captioner.input(load_image(self._dataset.file(item)))

    def _write(self, batch: Sequence[tuple[Item, NDArray[Any]]]) -> list[tuple[int, str]]:
        """The captions of a batch, by the pictures' places in the dataset."""
        inputs = np.stack([pixels for _, pixels in batch])
        keys = [item.path for item, _ in batch]
        written = self._captioner.write(inputs, self._options.decoding, look=False, keys=keys)
        return [(item.index, one.caption) for (item, _), one in zip(batch, written, strict=True)]

    def _fitting_batch(self, item: Item) -> int:
        """How many pictures fit at once, tried with copies of one."""
        copy = (item, self._load(item))
        return automatic_batch(lambda size: self._write([copy] * size))


def _plan(dataset: Dataset, captioner: CaptionModel, options: Options) -> str:
    """Return what makes the captions these and no others, as a few digits."""
    plan = {
        "dataset": dataset.fingerprint,
        "captioner": dict(captioner.identity),
        "decoding": dict(options.decoding.to_json()),
        "precision": options.precision,
    }
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:_PLAN_DIGITS]


class _Parts:
    """The captions of an unfinished run, a file for each process that takes part or took part."""

    def __init__(self, out: Path, plan: str) -> None:
        self.stem = out.with_name(f"{out.name}.{plan}.")

    def own(self, rank: int) -> _Part:
        """A process's file, to be opened."""
        return _Part(self.stem.with_name(f"{self.stem.name}{f'{rank}.' if rank else ''}part"))

    def captions(self) -> dict[int, str]:
        """What is there, by the pictures' places in the dataset."""
        return {index: caption for path in self._files("part") for index, caption in _captions(path)}

    def remove(self) -> None:
        """Remove the files."""
        for path in [*self._files("part"), *self._files("alive")]:
            path.unlink(missing_ok=True)

    def _files(self, suffix: str) -> list[Path]:
        paths = self.stem.parent.iterdir()
        return sorted(path for path in paths if path.name.startswith(self.stem.name) and path.suffix == f".{suffix}")


def _captions(path: Path) -> Iterator[tuple[int, str]]:
    """The pictures' places and captions in a file that may be growing."""
    for line in path.read_bytes().split(b"\n"):
        try:
            row = json.loads(line)
            index, caption = row["index"], row["caption"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(index, int) and isinstance(caption, str):
            yield index, caption


class _Part:
    """A process's captions: json lines, `{"index": 5, "caption": "..."}`.

    Each batch is one write to the end of the file. A line that was cut short by a kill is no json, and is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Part:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            if self._file.tell():
                self._file.write(b"\n")  # behind a line that may have been cut short
        except OSError as error:
            raise DatasetError(f"cannot write {printable(str(self._path))}: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._path.exists() and not self._path.stat().st_size:  # nothing was done: leave nothing
            self._path.unlink()

    def add(self, captions: Mapping[int, str]) -> None:
        """Keep a batch, on the disk when this returns."""
        lines = [json.dumps({"index": index, "caption": caption}) + "\n" for index, caption in captions.items()]
        try:
            self._file.write("".join(lines).encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise DatasetError(f"cannot write {printable(str(self._path))}: {error.strerror}") from error
