"""Progress on a terminal and in a log, with a clock of the test's own."""

from __future__ import annotations

import io
import os

import pytest

from hw3_browse.core import progress as module
from hw3_browse.core.progress import Progress, duration


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 columns."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(module.shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    return Terminal()


def test_a_log_gets_a_plain_line_every_ten_seconds(clock: Clock) -> None:
    log = io.StringIO()
    with Progress("captions", 400, "pictures", log, clock=clock) as progress:
        for _ in range(25):
            clock.now += 1
            progress.update(10)
    assert log.getvalue().splitlines() == [
        "captions: 100/400 pictures (25%), 10.0 pictures/s, 30 s left",
        "captions: 200/400 pictures (50%), 10.0 pictures/s, 20 s left",
        "captions: 250/400 pictures, took 25 s, 10.0 pictures/s",
    ]


def test_a_terminal_has_one_line_that_is_redrawn(clock: Clock, terminal: Terminal) -> None:
    with Progress("captions", 300, "pictures", terminal, clock=clock) as progress:
        clock.now += 1
        progress.update(150)
        clock.now += 0.01
        progress.update(1)  # too soon to draw again
    drawn = terminal.getvalue()
    assert drawn.count("\n") == 1
    assert drawn.split("\r\x1b[2K")[1:] == [
        "captions: 0/300 pictures (0%)",
        "captions: 150/300 pictures (50%), 150 pictures/s, 1 s left",
        "captions: 151/300 pictures, took 1 s, 150 pictures/s\n",
    ]


def test_a_line_never_wraps(clock: Clock, terminal: Terminal) -> None:
    with Progress("captions", 300, "pictures", terminal, clock=clock) as progress:
        clock.now += 1
        progress.update(1, note="loss " + "1" * 200)
        assert max(map(len, terminal.getvalue().split("\r\x1b[2K"))) == 79


def test_a_dumb_terminal_gets_plain_lines(clock: Clock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with Progress("captions", 3, "pictures", terminal, clock=clock):
        pass
    assert terminal.getvalue() == "captions: 0/3 pictures, took 0.0 s\n"


def test_what_was_done_before_makes_nothing_faster(clock: Clock) -> None:
    log = io.StringIO()
    with Progress("captions", 1789, "pictures", log, clock=clock) as progress:
        clock.now += 5  # reading what there is
        progress.restart_from(1000)
        assert progress.rate == 0
        assert progress.seconds_left is None
        clock.now += 10
        progress.update(20)
        assert progress.rate == 2
        assert progress.seconds_left == 769 / 2
    assert "1,020/1,789 pictures, took 10 s, 2.0 pictures/s, 1,000 of them before" in log.getvalue()


def test_an_error_leaves_the_place_where_it_stopped(clock: Clock, terminal: Terminal) -> None:
    progress = Progress("captions", 300, "pictures", terminal, clock=clock)

    def interrupted() -> None:
        with progress:
            clock.now += 2
            progress.update(50)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.getvalue().endswith("captions: 50/300 pictures, stopped after 2 s, 25.0 pictures/s\n")


def test_slow_work_and_unknown_totals(clock: Clock) -> None:
    log = io.StringIO()
    with Progress("training", None, "steps", log, clock=clock) as progress:
        clock.now += 20
        progress.update(5, note="loss 2.31")
    assert log.getvalue().splitlines() == [
        "training: 5 steps, 4.0 s each, loss 2.31",
        "training: 5 steps, took 20 s, 4.0 s each, loss 2.31",
    ]


def test_strangers_text_cannot_steer_the_terminal(clock: Clock) -> None:
    log = io.StringIO()
    with Progress("a\x1b[31m\nset", 1, "pictures", log, clock=clock) as progress:
        progress.update(1, note="\x1b]0;title\x07name")
    assert log.getvalue() == "a set: 1/1 pictures, took 0.0 s, name\n"


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_a_terminal_that_went_away_ends_nothing(clock: Clock, error: type[Exception]) -> None:
    class Gone(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            raise error

    stream = Gone()
    with Progress("captions", 10, "pictures", stream, clock=clock) as progress:
        for _ in range(10):
            clock.now += 60
            progress.update()
    assert progress.done == 10
    assert stream.writes == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (0.97, "1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.9, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
