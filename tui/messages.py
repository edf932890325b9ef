"""What the worker threads tell the app. Frozen snapshots travel; no worker touches a widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from pathlib import Path

    from ..cache.schema import Sample
    from .darkroom import Print, Request
    from .ordering import Ordering
    from .widgets.details import Standing


class Ordered(Message):
    """The list has been sorted."""

    def __init__(self, ordering: Ordering) -> None:
        self.ordering = ordering
        super().__init__()


class SampleRead(Message):
    """The texts and scores of a sample have been read."""

    def __init__(self, sample: Sample, standings: tuple[Standing, ...]) -> None:
        self.sample = sample
        self.standings = standings
        super().__init__()


class Printed(Message):
    """A picture is ready."""

    def __init__(self, finished: Print) -> None:
        self.finished = finished
        super().__init__()


class NotPrinted(Message):
    """A sample or its picture could not be read."""

    def __init__(self, request: Request, problem: str) -> None:
        self.request = request
        self.problem = problem
        super().__init__()


class Saved(Message):
    """A figure has been written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__()


class NotSaved(Message):
    """A figure could not be written."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__()


class CannotGoOn(Message):
    """The cache itself cannot be read: the browser ends with one line."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__()
