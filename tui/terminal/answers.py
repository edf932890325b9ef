"""What a terminal says when it is asked, taken out of whatever comes through its line.

Answers and the user's own keys come through the same line, in any order and in pieces of any size. A `Reader` takes
the answers out and keeps the rest: nothing that was typed is lost, and nothing that comes makes it fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .modes import Colour

QUERY_ID: Final = 4211  # of the kitty graphics query, so that another program's late answer is not taken for ours
_INTERRUPT: Final = b"\x03"
_MOST_TYPED: Final = 4096  # bytes; more was no typing
_LONGEST: Final = 4096  # bytes of one sequence; a longer one is none
_LONGEST_NAME: Final = 80
_SIXEL: Final = 4  # of the device attributes

_SEQUENCE: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI ... final
    rb"|\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC ... BEL or ST
    rb"|[P_^X][^\x1b]*\x1b\\)"  # DCS, APC, PM or SOS ... ST
)
_BEGUN: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[P_^X][^\x1b]*\x1b?)?")
_COLOUR: Final = re.compile(r"rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})(?:/[0-9a-f]{1,4})?", re.IGNORECASE)


@dataclass(slots=True)
class Answers:
    """What has been answered so far; None or "" where nothing was.

    Attributes:
        attributes: Primary device attributes, the sentinel: it is asked last, and nearly every terminal answers it.
        alive: Whether a request for the status was answered, the sentinel through tmux.
        program: Name and version (XTVERSION).
        cell: Width and height of a cell in pixels.
        area: Width and height of the text area in pixels.
        registers: Colour registers for Sixel.
        kitty: Answer to the kitty graphics query: "OK", or what was wrong.
        background: Background colour.
        truecolor: Whether a 24-bit colour was kept as it was set.
    """

    attributes: tuple[int, ...] | None = None
    alive: bool = False
    program: str = ""
    cell: tuple[int, int] | None = None
    area: tuple[int, int] | None = None
    registers: int | None = None
    kitty: str = ""
    background: Colour | None = None
    truecolor: bool | None = None

    @property
    def has_sixel(self) -> bool:
        """Whether the device attributes name Sixel; the first of them is the terminal's class."""
        return self.attributes is not None and _SIXEL in self.attributes[1:]


class Reader:
    """Takes answers out of a stream of bytes.

    Attributes:
        answers: What has been answered so far; may be exchanged for a fresh one between two questions.
        typed: What was not an answer: keys, in their order. At most 4096 bytes are kept.
    """

    def __init__(self) -> None:
        self.answers = Answers()
        self.typed = b""
        self._pending = b""

    def feed(self, data: bytes) -> None:
        """Take what has come; a sequence that is not finished waits for the rest of it."""
        data = self._pending + data
        self._pending = b""
        place = 0
        while place < len(data):
            start = data.find(b"\x1b", place)
            if start != place:
                end = len(data) if start < 0 else start
                self._keep(data[place:end])
            elif found := _SEQUENCE.match(data, place):
                end = found.end()
                if not _take(found[0], self.answers):
                    self._keep(found[0])
            elif len(data) - place <= _LONGEST and _BEGUN.fullmatch(data, place):
                self._pending = data[place:]
                return
            else:
                end = place + 1
                self._keep(data[place:end])
            place = end

    def finish(self) -> None:
        """Nothing more will come: what has begun was typed (the Escape key, for example)."""
        self._keep(self._pending)
        self._pending = b""

    @property
    def interrupted(self) -> bool:
        """Whether the user has pressed Ctrl+C."""
        return _INTERRUPT in self.typed

    def _keep(self, data: bytes) -> None:
        self.typed = (self.typed + data)[:_MOST_TYPED]


def _take(sequence: bytes, answers: Answers) -> bool:
    """Put one whole sequence into the answers; False if it is no answer but a key."""
    text = sequence.decode("utf-8", "replace")
    for pattern, put in _ANSWERS:
        if found := pattern.fullmatch(text):
            put(answers, found)
            return True
    return text[1] != "["  # no key sends a whole string: another's answer


def _put_attributes(answers: Answers, found: re.Match[str]) -> None:
    answers.attributes = tuple(int(number) for number in found[1].split(";") if number)


def _put_alive(answers: Answers, _: re.Match[str]) -> None:
    answers.alive = True


def _put_program(answers: Answers, found: re.Match[str]) -> None:
    answers.program = printable(found[1]).strip()[:_LONGEST_NAME]


def _put_cell(answers: Answers, found: re.Match[str]) -> None:
    answers.cell = int(found[2]), int(found[1])


def _put_area(answers: Answers, found: re.Match[str]) -> None:
    answers.area = int(found[2]), int(found[1])


def _put_registers(answers: Answers, found: re.Match[str]) -> None:
    answers.registers = int(found[1]) if found[1] else None


def _put_kitty(answers: Answers, found: re.Match[str]) -> None:
    answers.kitty = printable(found[1]).strip()[:_LONGEST_NAME] or "no text"


def _put_background(answers: Answers, found: re.Match[str]) -> None:
    if parts := _COLOUR.fullmatch(found[1]):
        red, green, blue = (round(int(part, 16) * 255 / (16 ** len(part) - 1)) for part in parts.groups())
        answers.background = red, green, blue


def _put_truecolor(answers: Answers, found: re.Match[str]) -> None:
    answers.truecolor = re.search(r"48[:;]2[:;]+1[:;]2[:;]3", found[1]) is not None


# Numbers are bounded, so that nobody sends one that takes seconds to read.
_ANSWERS: Final[tuple[tuple[re.Pattern[str], Callable[[Answers, re.Match[str]], None]], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), put)
    for pattern, put in (
        (r"\x1b\[\?([0-9;]{0,200})c", _put_attributes),
        (r"\x1b\[0n", _put_alive),
        (r"\x1b\[6;([0-9]{1,5});([0-9]{1,5})t", _put_cell),
        (r"\x1b\[4;([0-9]{1,5});([0-9]{1,5})t", _put_area),
        (r"\x1b\[\?1;(?:0;([0-9]{1,9})|[123](?:;[0-9;]{0,20})?)S", _put_registers),
        (r"\x1bP>\|(.*)\x1b\\", _put_program),
        (r"\x1bP[01]\$r(.*)\x1b\\", _put_truecolor),
        (rf"\x1b_G(?:[^;]*,)?i={QUERY_ID}(?:,[^;]*)?;(.*)\x1b\\", _put_kitty),
        (r"\x1b\]11;(.*)(?:\x07|\x1b\\)", _put_background),
    )
)
