"""What the terminal can do: asked over real pseudo-terminals that answer, are slow, talk nonsense, or are silent."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pseudo_terminal import PATIENCE, Terminal

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.commands import doctor as core_doctor
from hw3_browse.tui.terminal import doctor, modes, questions
from hw3_browse.tui.terminal.answers import QUERY_ID, Answers, Reader
from hw3_browse.tui.terminal.choose import choose
from hw3_browse.tui.terminal.environment import Environment
from hw3_browse.tui.terminal.findings import Findings
from hw3_browse.tui.terminal.line import Line, Size
from hw3_browse.tui.terminal.probe import Patience, probe
from hw3_browse.tui.terminal.programs import has_placeholders, known
from hw3_browse.tui.terminal.silence import Silence
from hw3_browse.tui.terminal.tmux import Tmux, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")

OK = b"\x1b_Gi=%d;OK\x1b\\" % QUERY_ID
NAME, CELL, AREA, ATTRIBUTES, STATUS = b"\x1b[>q", b"\x1b[16t", b"\x1b[14t", b"\x1b[c", b"\x1b[5n"
BACKGROUND, REGISTERS, COLOUR = b"\x1b]11;?\x1b\\", b"\x1b[?1;1;0S", b"\x1bP$qm\x1b\\"
KITTY_QUERY = b"\x1b_Gi=%d,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" % QUERY_ID

# As kitty, XTerm (-ti vt340), Konsole and urxvt themselves answered.
KITTY = {
    NAME: b"\x1bP>|kitty(0.42.1)\x1b\\",
    CELL: b"\x1b[6;20;9t",
    AREA: b"\x1b[4;400;639t",
    BACKGROUND: b"\x1b]11;rgb:0000/0000/0000\x1b\\",
    COLOUR: b"\x1bP1$r48:2:1:2:3m\x1b\\",
    KITTY_QUERY: OK,
    ATTRIBUTES: b"\x1b[?62;c",
}
XTERM = {
    NAME: b"\x1bP>|XTerm(379)\x1b\\",
    BACKGROUND: b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\",
    REGISTERS: b"\x1b[?1;0;1024S",
    COLOUR: b"\x1bP1$r0;48:2::1:2:3m\x1b\\",
    ATTRIBUTES: b"\x1b[?63;1;2;4;6;9;15;16;22;28c",
}
KONSOLE = {
    NAME: b"\x1bP>|Konsole 22.12.3\x1b\\",
    CELL: b"\x1b[6;18;8t",
    AREA: b"\x1b[4;504;880t",
    BACKGROUND: b"\x1b]11;rgb:2323/2626/2727\x1b\\",
    REGISTERS: b"\x1b[?1;0;256S",
    KITTY_QUERY: OK,
    ATTRIBUTES: b"\x1b[?62;1;4c",
}
URXVT = {AREA: b"\x1b[4;316;496t", ATTRIBUTES: b"\x1b[?1;2c"}
ITERM2 = {NAME: b"\x1bP>|iTerm2 3.6.2\x1b\\", KITTY_QUERY: OK, ATTRIBUTES: b"\x1b[?62;4c"}
WEZTERM = {NAME: b"\x1bP>|WezTerm 20240203-110809\x1b\\", KITTY_QUERY: OK, ATTRIBUTES: b"\x1b[?65;4;6;18;22c"}
SILENT: dict[bytes, bytes] = {}

QUICK = Patience(first=0.01, full=0.02)
XTERM_NAMED = {"TERM": "xterm-256color"}


class FakeTerminal:
    """A terminal that answers as it is told, in pieces of a size, in a thread of its own.

    Attributes:
        line: What the program sees of it.
        asked: What it was asked so far.
    """

    def __init__(self, answers: Mapping[bytes, bytes], *, typed: bytes = b"", piece: int = 1 << 20) -> None:
        self._answers = answers
        self._typed = typed
        self._piece = piece
        self.asked = b""
        self._screen, self._keyboard = os.openpty()
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 484, 316))
        self.line = Line(self._keyboard, self._keyboard)
        self._stop, self._stopper = os.pipe()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._before = self.attributes
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.attributes == self._before, "the line was not put back"
        os.write(self._stopper, b"x")
        self._thread.join()
        for file in (self._screen, self._keyboard, self._stop, self._stopper):
            os.close(file)

    @property
    def attributes(self) -> list[object]:
        return termios.tcgetattr(self._keyboard)

    def probe(self, forced: str = "auto", patience: Patience = QUICK, **variables: str) -> modes.Terminal:
        return probe(forced, line=self.line, variables=XTERM_NAMED | variables, patience=patience)

    def _run(self) -> None:
        self._write(self._typed)
        done = 0
        while self._stop not in select.select([self._screen, self._stop], [], [])[0]:
            self.asked += os.read(self._screen, 4096)
            while found := self._next(done):
                done, answer = found
                self._write(answer)

    def _next(self, done: int) -> tuple[int, bytes] | None:
        places = ((self.asked.find(question, done), question) for question in self._answers)
        known = [(place, question) for place, question in places if place >= 0]
        place, question = min(known, default=(-1, b""))
        return (place + len(question), self._answers[question]) if question else None

    def _write(self, data: bytes) -> None:
        for start in range(0, len(data), self._piece):
            os.write(self._screen, data[start : start + self._piece])


SLOW = Patience(first=PATIENCE, full=PATIENCE)  # for terminals that answer


# -- Terminals ---------------------------------------------------------------------------------------------------------


def test_kitty() -> None:
    with FakeTerminal(KITTY) as fake:
        terminal = fake.probe(patience=SLOW)
    assert (terminal.mode, terminal.why) == ("kitty", "the terminal answered the kitty graphics query")
    assert terminal.placeholders
    assert not terminal.passthrough
    assert terminal.multiplexer == ""
    assert (terminal.cell, terminal.cell_known) == ((9, 20), True)
    assert terminal.truecolor
    assert terminal.background == (0, 0, 0)
    assert terminal.is_dark
    assert terminal.program == "kitty(0.42.1)"
    assert dict(terminal.facts)["Sixel"] == "no: the device attributes do not name it (4)"


def test_xterm_with_sixel() -> None:
    with FakeTerminal(XTERM) as fake:
        terminal = fake.probe(patience=SLOW)
    assert (terminal.mode, terminal.why) == ("sixel", "the terminal's device attributes name it (4)")
    assert terminal.sixel_colours == 1024
    assert terminal.cell == (6, 13)  # 484 x 316 pixels with a border of two
    assert terminal.truecolor  # by the colour that it kept: no COLORTERM here
    assert terminal.is_dark is False


@pytest.mark.parametrize(
    ("answers", "variables", "mode"),
    [
        (URXVT, {}, "half"),
        (KONSOLE, {}, "kitty"),
        (ITERM2, {}, "iterm2"),  # not kitty, which it answers without all of it
        (WEZTERM, {}, "iterm2"),
        ({NAME: b"\x1bP>|xterm.js(5.6.0)\x1b\\", ATTRIBUTES: b"\x1b[?1;2c"}, {}, "half"),  # images switched off
        ({NAME: b"\x1bP>|xterm.js(5.6.0)\x1b\\", ATTRIBUTES: b"\x1b[?62;4;9;22c"}, {}, "iterm2"),
        ({ATTRIBUTES: b"\x1b[?62;4c"}, {"LC_TERMINAL": "iTerm2"}, "iterm2"),  # over SSH
        ({ATTRIBUTES: b"\x1b[?1;2c"}, {"TERM_PROGRAM": "WezTerm", "ZELLIJ": "0"}, "half"),  # inherited
        (KITTY | {KITTY_QUERY: b"\x1b_Gi=%d;ENOTSUPPORTED:no\x1b\\" % QUERY_ID}, {}, "half"),
        ({KITTY_QUERY: OK, ATTRIBUTES: b"\x1b[?62;4c"}, {}, "kitty"),  # one that we have never heard of
        ({ATTRIBUTES: b"\x1b[?4c"}, {}, "half"),  # a class, not Sixel
    ],
)
def test_the_order_of_preference(answers: dict[bytes, bytes], variables: dict[str, str], mode: str) -> None:
    with FakeTerminal(answers) as fake:
        assert fake.probe(patience=SLOW, **variables).mode == mode


def test_only_known_versions_have_placeholders() -> None:
    with FakeTerminal(KITTY | {NAME: b"\x1bP>|kitty(0.26.5)\x1b\\"}) as fake:
        old = fake.probe(patience=SLOW)
    with FakeTerminal(KONSOLE) as fake:
        konsole = fake.probe(patience=SLOW)
    assert (old.mode, old.placeholders) == ("kitty", False)
    assert (konsole.mode, konsole.placeholders) == ("kitty", False)
    assert has_placeholders(known("ghostty 1.1.0"), "ghostty 1.1.0")


def test_answers_in_single_bytes() -> None:
    with FakeTerminal(KITTY, piece=1) as fake:
        whole = fake.probe(patience=SLOW)
    assert (whole.mode, whole.cell, whole.program, whole.typed) == ("kitty", (9, 20), "kitty(0.42.1)", b"")


def test_a_silent_terminal_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    ask = Line.ask

    def spy(line: Line, question: bytes, reader: Reader, done: Callable[[], bool], patience: float) -> bool:
        waited.append(patience)
        return ask(line, question, reader, done, patience)

    monkeypatch.setattr(Line, "ask", spy)
    silence = Silence(Environment.of(XTERM_NAMED))
    elsewhere = Silence(Environment.of(XTERM_NAMED | {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}))
    with FakeTerminal(SILENT) as fake:
        terminal = fake.probe()
        assert (terminal.mode, terminal.cell) == ("half", (6, 13))
        assert dict(terminal.facts)["asked"].startswith("no answer within")
        assert len(waited) == 2
        assert silence.is_known()
        assert not elsewhere.is_known()
        assert fake.probe().mode == "half"
        assert len(waited) == 3
    with FakeTerminal(KITTY) as fake:
        assert fake.probe(patience=SLOW).mode == "kitty"
    assert not silence.is_known()


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "b"}', "\x00", "[" * 10_000])
def test_a_damaged_memory_is_no_reason_to_fail(home: Path, content: str) -> None:
    silence = Silence(Environment.of(XTERM_NAMED))
    silence.keep(silent=True)
    (file,) = home.glob("**/silent-terminals.json")
    file.write_text(content)
    assert not silence.is_known()
    silence.keep(silent=True)
    assert silence.is_known()


def test_silence_is_forgotten_after_a_week(home: Path) -> None:
    silence = Silence(Environment.of(XTERM_NAMED))
    silence.keep(silent=True)
    (file,) = home.glob("**/silent-terminals.json")
    file.write_text(json.dumps({key: when - 8 * 24 * 3600 for key, when in json.loads(file.read_text()).items()}))
    assert not silence.is_known()


def test_typed_keys_are_kept() -> None:
    answers = KITTY | {NAME: b"j\x1b[B" + KITTY[NAME] + b"G"}
    with FakeTerminal(answers, typed="é".encode()) as fake:
        terminal = fake.probe(patience=SLOW)
    assert terminal.typed == "éj\x1b[BG".encode()
    assert terminal.mode == "kitty"


def test_ctrl_c_ends_it() -> None:
    with FakeTerminal({NAME: b"\x03"}) as fake, pytest.raises(KeyboardInterrupt):
        fake.probe(patience=SLOW)


def test_nonsense_does_no_harm() -> None:
    nonsense = b"\x1b[6;0;99999t\x1b[?99999999999999;4c\x1bP>|\x1b]11;rgb:zz/1/2\x07\x1b_Gi=31;OK\x1b\\\xff\x1b"
    with FakeTerminal({NAME: nonsense}) as fake:
        terminal = fake.probe()
    assert terminal.cell == (6, 13)
    assert terminal.mode == "sixel"  # it did say so


def test_forced_modes() -> None:
    for mode in ("kitty", "iterm2", "sixel", "half", "none"):
        with FakeTerminal(XTERM) as fake:
            terminal = fake.probe(mode, patience=SLOW)
        assert (terminal.mode, terminal.why) == (mode, "asked for")
        assert b"_G" not in fake.asked
        assert NAME in fake.asked
    with pytest.raises(UsageError, match="'ascii'; there are: auto, kitty"):
        probe("ascii")


@pytest.mark.parametrize(("term", "mode"), [("dumb", "none"), ("linux", "half"), ("", "half")])
def test_some_are_not_asked(term: str, mode: str) -> None:
    with FakeTerminal(KITTY) as fake:
        terminal = fake.probe(TERM=term)
    assert terminal.mode == mode
    assert fake.asked == b""


def test_without_a_terminal() -> None:
    read, write = os.pipe()
    terminal = probe(line=Line(read, write), variables={"TERM": "xterm-kitty", "COLORTERM": "truecolor"})
    assert not select.select([read], [], [], 0)[0]
    assert (terminal.mode, terminal.cell, terminal.cell_known) == ("half", modes.DEFAULT_CELL, False)
    assert terminal.truecolor
    os.close(read)
    os.close(write)


def test_a_signal_puts_the_line_back() -> None:
    program = (
        "from hw3_browse.tui.terminal.probe import Patience, probe\n"
        f"probe(patience=Patience(first={PATIENCE}, full={PATIENCE}))"
    )
    with Terminal([sys.executable, "-c", program]) as terminal:
        before = _is_canonical(terminal)
        deadline = time.monotonic() + PATIENCE
        while ATTRIBUTES not in terminal.raw:
            assert time.monotonic() < deadline, "it does not ask"
            terminal.read(0.02)
        assert before
        assert not _is_canonical(terminal)
        keyboard = os.dup(terminal._file)  # holds the pseudo-terminal open beyond its program
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait() == -signal.SIGTERM
        assert termios.tcgetattr(keyboard)[3] & termios.ICANON
        os.close(keyboard)


def _is_canonical(terminal: Terminal) -> bool:
    return bool(termios.tcgetattr(terminal._file)[3] & termios.ICANON)


# -- The reader --------------------------------------------------------------------------------------------------------

PARTS = st.sampled_from([*KITTY.values(), *XTERM.values(), b"\x1b[0n", b"\x1b[4;1;1t", b"\x1b]11;#123456\x07"])
KEYS = st.binary(max_size=5).map(lambda data: data.replace(b"\x1b", b"e"))


def read(pieces: list[bytes]) -> Reader:
    reader = Reader()
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    return reader


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.one_of(PARTS, st.binary(max_size=8), st.sampled_from([b"\x1b", b"\x1b[", b"\x1b_G", b"\x1bP"]))))
def test_a_soup_is_read_without_an_error(soup: list[bytes]) -> None:
    data = b"".join(soup)
    reader = read([data])
    byte_by_byte = read([data[place : place + 1] for place in range(len(data))])
    assert (byte_by_byte.answers, byte_by_byte.typed) == (reader.answers, reader.typed)
    assert len(reader.typed) <= len(data)


@given(st.lists(st.tuples(KEYS, PARTS)), KEYS, st.lists(st.integers(min_value=0)))
def test_keys_between_answers_are_kept(mixed: list[tuple[bytes, bytes]], last: bytes, places: list[int]) -> None:
    data = b"".join(keys + answer for keys, answer in mixed) + last
    reader = read(cut(data, places))
    assert reader.typed == b"".join(keys for keys, _ in mixed) + last
    assert reader.answers == read([answer for _, answer in mixed]).answers


@given(st.permutations(list(KITTY.values())), st.lists(st.integers(min_value=0)))
def test_answers_come_in_any_order(parts: list[bytes], places: list[int]) -> None:
    answers = read(cut(b"".join(parts), places)).answers
    assert answers == read(list(KITTY.values())).answers
    assert (answers.kitty, answers.cell, answers.area, answers.background) == ("OK", (9, 20), (639, 400), (0, 0, 0))


@pytest.mark.parametrize(
    "keys", [b"\x1b", b"\x1b\x1b", b"\x1bP", b"\x1b]", b"\x1b_", b"\x1b[", b"\x1b[A", b"\x1bOP", b"\x1b[<0;3;4M"]
)
def test_keys_that_begin_as_answers_do(keys: bytes) -> None:
    reader = read([keys, KITTY[ATTRIBUTES]])
    assert reader.typed == keys
    assert reader.answers.attributes == (62,)
    assert read([keys]).typed == keys


@pytest.mark.parametrize("data", [b"\x1b[?" + b"1" * 60_000, b"\x1b_G" + b"x" * 60_000, b"\x1b[" * 30_000])
def test_long_ones_are_given_up(data: bytes) -> None:
    reader = read([data, KITTY[ATTRIBUTES]])
    assert reader.answers.attributes == (62,)
    assert reader.typed == data[:4096]


# -- Multiplexers ------------------------------------------------------------------------------------------------------


def in_tmux(outer: Answers, tmux: Tmux | None, own: Answers | None = None) -> Findings:
    environment = Environment.of({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0"})
    return Findings(environment, own or Answers((1, 2)), "tmux", outer, tmux, Size(80, 24, 800, 480), "answered")


def tmux_facts(**changes: object) -> Tmux:
    facts = {"version": "3.4", "passthrough": True, "terminal": "kitty(0.42.1)", "features": frozenset({"RGB"})}
    return Tmux(**(facts | {"utf8": True, "cell": (10, 20)} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outer", "tmux", "own", "mode", "why"),
    [
        (Answers(kitty="OK"), tmux_facts(), None, "kitty", "kitty(0.42.1) answered the kitty graphics query"),
        (Answers(kitty="OK", program="ghostty 1.1"), None, None, "kitty", "ghostty 1.1 answered"),
        (Answers(), tmux_facts(passthrough=False), None, "half", "set -g allow-passthrough on"),
        (Answers(), None, None, "half", "perhaps tmux without allow-passthrough"),
        (Answers(kitty="OK"), tmux_facts(terminal="WezTerm 2024"), None, "half", "lacks Unicode placeholders"),
        (Answers(kitty="OK"), tmux_facts(utf8=False), None, "half", "tmux -u"),
        (Answers(alive=True), tmux_facts(terminal="XTerm(379)"), None, "half", "XTerm(379) did not answer"),
        (
            Answers(),
            tmux_facts(terminal="foot(1.16)", features=frozenset({"sixel"})),
            Answers((1, 2, 4)),
            "sixel",
            "tmux's device attributes",
        ),
        (Answers(), tmux_facts(terminal="Alacritty", features=frozenset()), Answers((1, 2, 4)), "half", "Alacritty"),
    ],
)
def test_inside_tmux(outer: Answers, tmux: Tmux | None, own: Answers | None, mode: str, why: str) -> None:
    terminal = choose(in_tmux(outer, tmux, own))
    assert terminal.mode == mode
    assert why in terminal.why
    assert terminal.passthrough == (mode == "kitty")
    assert terminal.placeholders == (mode == "kitty")


def test_forced_inside_tmux() -> None:
    plain = in_tmux(Answers(), tmux_facts())
    assert choose(plain, "sixel").passthrough
    assert choose(plain, "kitty").placeholders
    assert not choose(plain, "half").passthrough
    assert not choose(in_tmux(Answers(), tmux_facts(), Answers((1, 2, 4))), "sixel").passthrough


@pytest.mark.parametrize(
    ("line", "passthrough"),
    [
        ("={3.3a} ={1} ={1} ={10} ={20} ={RGB,title} ={xterm} ={XTerm(379)}\n", True),
        ("={3.3a} ={0} ={1} ={10} ={20} ={RGB,title} ={xterm} ={XTerm(379)}", False),
        ("={3.2a} ={} ={1} ={10} ={20} ={RGB,title} ={xterm} ={XTerm(379)}", True),
        ("={next-3.6} ={} ={} ={} ={} ={} ={} ={}", None),
    ],
)
def test_what_tmux_says(line: str, passthrough: bool | None) -> None:
    tmux = parse(line)
    assert tmux is not None
    assert tmux.passthrough is passthrough
    assert tmux.cell in {(10, 20), None}
    assert parse("no server running") is None


def test_screen_is_asked_with_care() -> None:
    with FakeTerminal({ATTRIBUTES: b"\x1b[?1;2c"}) as fake:
        terminal = fake.probe(patience=SLOW, TERM="screen-256color", STY="1.pts", TERM_PROGRAM="WezTerm")
    assert (terminal.mode, terminal.why, terminal.multiplexer) == ("half", "GNU screen hands no pictures on", "screen")
    assert fake.asked == questions.CAREFUL
    assert not any(string in fake.asked for string in (b"\x1bP", b"\x1b_", b"\x1b]"))


def test_variables_inherited_from_a_multiplexer_do_not_matter() -> None:
    with FakeTerminal(KITTY) as fake:
        terminal = fake.probe(patience=SLOW, TERM="screen-256color", STY="1.pts")
    assert (terminal.mode, terminal.multiplexer) == ("kitty", "")
    assert Environment.of({"TERM": "xterm-kitty", "TMUX": "/tmp/x,1,0"}).multiplexer == ""


REPORT = (
    "import json, sys; from hw3_browse.tui.terminal.probe import probe; t = probe()\n"
    "json.dump([t.mode, t.why, t.multiplexer, t.passthrough, t.cell, t.background], open(sys.argv[1], 'w'))"
)
TMUX_ITSELF = {
    b"\x1b[>q": b"\x1bP>|kitty(0.42.1)\x1b\\",
    b"\x1b[>c": b"\x1b[>1;4000;42c",
    STATUS: b"\x1b[0n",
}


@pytest.fixture
def tmux_socket(tmp_path: Path) -> Iterator[Path]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    socket = tmp_path / "tmux"
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False)


def probe_inside(socket: Path, configuration: str, before: str = "") -> list[object]:
    """Run the probe in a real tmux whose terminal answers as kitty does; return what it found and the pane's title."""
    result, title, config = (socket.parent / name for name in ("result", "title", "config"))
    config.write_text(configuration)
    program = shlex.join([sys.executable, "-c", REPORT, str(socket.parent / "found")])
    script = (
        f"printf '\\033]2;my title\\033\\\\'; {before} {program};"
        f" tmux -S {socket} display-message -p -t $TMUX_PANE '#{{pane_title}}' > {title};"
        f" mv {socket.parent}/found {result}"
    )
    with Terminal(["tmux", "-S", str(socket), "-f", str(config), "new-session", script]) as terminal:
        answers = KITTY | TMUX_ITSELF
        pattern = re.compile(b"|".join(re.escape(question) for question in answers))
        deadline = time.monotonic() + PATIENCE
        done = 0
        while not result.exists():
            assert time.monotonic() < deadline, terminal.raw
            terminal.read(0.02)
            for found in pattern.finditer(terminal.raw, done):
                done = found.end()
                terminal.press(answers[found[0]].decode())
    return [*json.loads(result.read_text()), title.read_text().strip()]


def test_through_a_real_tmux(tmux_socket: Path) -> None:
    found = probe_inside(tmux_socket, "set -g allow-passthrough on")
    assert found[:4] == ["kitty", "kitty(0.42.1) answered the kitty graphics query through tmux", "tmux", True]
    assert found[5] == [0, 0, 0]


def test_a_real_tmux_that_hands_nothing_on(tmux_socket: Path) -> None:
    found = probe_inside(tmux_socket, "")
    assert found[:4] == ["half", "tmux without allow-passthrough: set -g allow-passthrough on", "tmux", False]


def test_a_tmux_that_nothing_tells_of(tmux_socket: Path) -> None:
    """As when it runs on the near side of SSH: found by its answer, and its title is not disturbed."""
    found = probe_inside(tmux_socket, "set -g allow-passthrough on", "env -u TMUX TERM=xterm-256color")
    assert (found[0], found[2], found[3]) == ("kitty", "tmux", True)
    assert found[-1] == "my title"


# -- The doctor --------------------------------------------------------------------------------------------------------


def test_the_doctor_says_what_and_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = doctor.report("sixel")
    text = "\n".join(lines)
    for part in (
        "xterm-256color",
        "kitty graphics",
        "Sixel",
        "to force",
        "NO_COLOR",
        "config.toml",
        "textual",
        "Python",
    ):
        assert part in text
    assert "shown            by sixel: asked for" in text
    assert not doctor.is_broken(lines)


def test_the_doctor_in_a_terminal(home: Path) -> None:
    with Terminal([sys.executable, "-m", "hw3_browse.tui.terminal.doctor"], 160, 60, {"TERM": "linux"}) as terminal:
        terminal.wait_for("matplotlib")
        assert "160 x 60 cells" in terminal.text
        assert terminal.wait() == 0


def test_a_broken_config_is_found(home: Path) -> None:
    config = home / "xdg_config_home" / "hw3-browse" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("graphics = 3")
    command = [sys.executable, "-m", "hw3_browse.tui.terminal.doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (problem,) = [line for line in done.stdout.splitlines() if line.startswith("!")]
    assert "config.toml:1: graphics" in problem


def test_missing_things_come_with_the_pip_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_doctor, "_PACKAGES", ("no-such-package",))
    monkeypatch.setitem(sys.modules, "torch", None)
    lines = list(core_doctor.report())
    assert any(line.startswith("! no-such-package  missing: pip install 'hw3-browse[models]'") for line in lines)
    assert any(line.startswith("! torch") and "pip install" in line for line in lines)


def test_hw3_doctor(home: Path) -> None:
    command = [sys.executable, "-m", "hw3_browse.core.cli", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("terminal\n", "computing\n", "torch", "Java", "room for caches", "demo"):
        assert part in done.stdout
