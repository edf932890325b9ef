"""What is done to the browser, and the times and bytes that come of it."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from browsing.child import BASELINE_TEXT, Job
from browsing.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from browsing.session import Answer
    from browsing.ways import Way

_STARTS: Final = 3
_HELD: Final = 40  # presses
_REPEAT: Final = 1 / 30  # seconds: a common rate of keyboards
_SORTED: Final = "rank 1 of"
_PICTURE: Final = {"half": "▀", "kitty": "\x1b_Ga=p", "sixel": "\x1bP0;1;0q", "iterm2": "\x1b]1337"}


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process: medians of some runs.

    Attributes:
        frame: To the first frame.
        sorted: To the sorted list.
        picture: To the first picture.
    """

    frame: float
    sorted: float
    picture: float


@dataclass(frozen=True, slots=True)
class Key:
    """The answers to one kind of key: medians, the processor's time a mean.

    Attributes:
        what: What the key did.
        first: Milliseconds to the first byte: the frame that shows that the key has been heard.
        last: Milliseconds to the last byte: pictures included.
        marked: Milliseconds until the list was as it should be; NaN where nothing was waited for.
        size: Kilobytes.
        cpu: Milliseconds of the processor.
    """

    what: str
    first: float
    last: float
    marked: float
    size: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured of one job.

    Attributes:
        job: What was run.
        start: How it started.
        keys: How it answered.
        memory: MB after each of some stages.
    """

    job: Job
    start: Start
    keys: tuple[Key, ...]
    memory: dict[str, float]


class Measure:
    """Measures jobs in one kind of terminal.

    Args:
        program: The script that `child.run` is reached by.
        size: Columns and lines.
        way: How the program is reached.
        presses: How often each key is pressed.
    """

    def __init__(self, program: Path, size: tuple[int, int], way: Way, presses: int) -> None:
        self._program = program
        self._size = size
        self._way = way
        self._presses = presses

    def baseline(self, pid_file: Path) -> float:
        """Return the median seconds from the start of the smallest Textual app to its first frame."""
        return statistics.median(next(self._starts(Job(str(pid_file), ""), BASELINE_TEXT)))

    def job(self, job: Job) -> Found:
        """Return all about a browser."""
        starts = self._starts(job, "sorting", _SORTED, _PICTURE[job.mode])
        start = Start(*map(statistics.median, zip(*starts, strict=True)))
        with self._session(job) as session:
            session.read_until(_SORTED, _PICTURE[job.mode])
            session.settle()
            memory = {"start": session.memory()}
            keys = [self._key(what, answers) for what, answers in self._walk(session)]
            memory["walk"] = session.memory()
            keys += [self._key(what, answers) for what, answers in self._narrow(session)]
            memory["search"] = session.memory()
        return Found(job, start, tuple(keys), memory)

    def _starts(self, job: Job, *texts: str) -> Iterator[list[float]]:
        for _ in range(_STARTS):
            with self._session(job) as session:
                times = session.read_until(*texts)
                session.settle()
            yield times

    def _session(self, job: Job) -> Session:
        command = [sys.executable, str(self._program), "--child", job.to_text()]
        return Session(self._way(command), self._size, Path(job.pid_file))

    def _walk(self, session: Session) -> Iterator[tuple[str, list[Answer]]]:
        times = self._presses
        yield "row", [session.press("j") for _ in range(times)]
        yield "row back", [session.press("k") for _ in range(times)]
        yield "word", [session.press("l") for _ in range(times)]
        yield "layer", [session.press("[") for _ in range(times)]
        yield "pin", [session.press("w"), session.press("l")]
        session.press("W")
        sheets = []
        for _ in range(2):
            session.press("j")
            sheets.append(session.press("a"))
            session.press("a")
        yield "sheet", sheets
        yield "last row", [session.press("G"), session.press("g")]
        held = session.hold("j", _HELD, _REPEAT, f"rank {_HELD + 1} of")
        yield "held row", [replace(held, size=held.size // _HELD, cpu=held.cpu / _HELD)]
        session.press("l")
        held = session.hold("]", _HELD, _REPEAT)
        yield "held layer", [replace(held, size=held.size // _HELD, cpu=held.cpu / _HELD)]

    @staticmethod
    def _narrow(session: Session) -> Iterator[tuple[str, list[Answer]]]:
        session.press("/")
        yield "search (1st)", [session.press("7", "left)")]
        session.press("\x7f")
        yield "search", [session.press("3", "left)")]
        session.press("\x1b")
        session.press("Fclipscore < 0.")
        yield "filter", [session.press(digit, "left)") for digit in "55"]
        session.press("\x1b")

    @staticmethod
    def _key(what: str, answers: Sequence[Answer]) -> Key:
        def median(*values: float) -> float:
            return 1000 * statistics.median(values)

        return Key(
            what,
            median(*(answer.first for answer in answers)),
            median(*(answer.last for answer in answers)),
            median(*(answer.marked for answer in answers)),
            statistics.median(answer.size for answer in answers) / 1000,
            1000 * statistics.mean(answer.cpu for answer in answers),
        )
