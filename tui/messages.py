"""What the worker threads tell the app. Frozen snapshots travel; no worker touches a widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from ..cache.known import KnownRun
    from ..cache.schema import Sample
    from .ordering import Ordering
    from .prints import Print
    from .source import Listed
    from .standings import Standing
    from .summary import Summary
    from .tiles import Board


class Ordered(Message):
    """The list has been sorted and filtered; `number` tells for which of the app's questions."""

    def __init__(self, number: int, ordering: Ordering) -> None:
        self.number = number
        self.ordering = ordering
        super().__init__()


class Summed(Message):
    """The scores of what the filter left have been summed up; `number` as in `Ordered`."""

    def __init__(self, number: int, summary: Summary) -> None:
        self.number = number
        self.summary = summary
        super().__init__()


class SampleRead(Message):
    """The texts and scores of a sample have been read, in every run."""

    def __init__(self, index: int, samples: tuple[Sample, ...], standings: tuple[Standing, ...]) -> None:
        self.index = index
        self.samples = samples
        self.standings = standings
        super().__init__()


class Developed(Message):
    """Pictures of the board are ready: some of them, by their place among the tiles, or all."""

    def __init__(self, wanted: object, board: Board, prints: Sequence[Print | None]) -> None:
        self.wanted = wanted
        self.board = board
        self.prints = tuple(prints)
        super().__init__()


class NotDeveloped(Message):
    """A sample or its picture could not be read."""

    def __init__(self, wanted: object, problem: str) -> None:
        self.wanted = wanted
        self.problem = problem
        super().__init__()


class Saving(Message):
    """Some of several figures have been written."""

    def __init__(self, done: int, total: int) -> None:
        self.done = done
        self.total = total
        super().__init__()


class Saved(Message):
    """Figures have been written, but for those with a problem."""

    def __init__(self, paths: Sequence[Path], problems: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self.problems = tuple(problems)
        super().__init__()


class NotSaved(Message):
    """A figure could not be written."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__()


class Reopened(Message):
    """The caches have been opened again; `marked` are the marked pictures in them."""

    def __init__(self, runs: Listed, marked: Collection[int]) -> None:
        self.runs = runs
        self.marked = frozenset(marked)
        super().__init__()


class RunsFound(Message):
    """Other runs have been looked for."""

    def __init__(self, runs: Sequence[KnownRun]) -> None:
        self.runs = tuple(runs)
        super().__init__()


class Opened(Message):
    """Another run has been opened, to be browsed instead of this one."""

    def __init__(self, runs: Listed) -> None:
        self.runs = runs
        super().__init__()


class Replaced(Message):
    """Another run, or the finished cache, has taken the place of an open one on the disk."""


class Judged(Message):
    """Judgements have been written, here or by another browser."""


class Grown(Message):
    """A precompute that still runs has captioned more pictures."""


class Told(Message):
    """Something that the user should know."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()


class Problem(Message):
    """Something that was asked for did not work; the browser goes on."""

    def __init__(self, title: str, problem: str) -> None:
        self.title = title
        self.problem = problem
        super().__init__()


class CannotGoOn(Message):
    """The cache itself cannot be read: the browser ends with one line."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__()
