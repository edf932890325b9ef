"""Measures the browser in a real pseudo-terminal: first frame, and time and bytes a key.

    python benchmarks/browser.py [--size 160x50] [--rows 200 5000 1000000] [--keys 12]

The baseline, in the same run, is the smallest Textual app there is (one line of text): its time from start to first
frame is 1.0, so that the ratios mean the same on every machine. The caches are synthetic and in memory (no disk): what
is measured is the browser. A key is timed from writing it to the last byte of its answer, pictures included.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import select
import statistics
import struct
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hw3_browse.cache.codec import Attention
    from hw3_browse.cache.schema import Manifest, Sample

_QUIET: Final = 0.6  # seconds without a byte: the answer to a key is complete
_PATIENCE: Final = 60.0
_RUNS: Final = 3
_KEYS: Final = {"row": "j", "word": "l", "layer": "[]", "last": "Gg"}
_WORDS: Final = ("a", "man", "riding", "a", "skateboard", "under", "a", "red", "umbrella")


class Synthetic:
    """A source of any number of rows, each made when it is asked for."""

    def __init__(self, count: int) -> None:
        import numpy as np  # noqa: PLC0415 (the baseline needs none of it)

        from hw3_browse.cache.schema import AttentionShape, Manifest, Score  # noqa: PLC0415

        self.folder = Path("synthetic")
        self.score_names = ("clipscore", "cider")
        self._count = count
        self._scores = {name: np.random.default_rng(seed).random(count) for seed, name in enumerate(self.score_names)}
        shape = AttentionShape(6, 8, 1, 14, 14, "u8-sqrt")
        scores = tuple(Score(name, higher_is_better=True, description=name) for name in self.score_names)
        plan: dict[str, Any] = {"dataset": {"name": "synthetic"}}
        self.manifest: Manifest = Manifest(1, "", plan, count, scores, {}, {}, shape, {}, ())

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._count

    def name(self, index: int) -> str:
        """Return a name."""
        return f"{index:012d}"

    def caption(self, index: int) -> str:
        """Return a caption that differs from its neighbours'."""
        return f"{' '.join(_WORDS)} number {index}"

    def scores(self, name: str) -> NDArray[np.float64]:
        """Return a column of scores."""
        return self._scores[name]

    def order(self, name: str) -> NDArray[np.intp]:
        """Return the order by a score."""
        return (-self._scores[name]).argsort(kind="stable")

    def sample(self, index: int) -> Sample:
        """Return the texts of a row."""
        from hw3_browse.cache.geometry import view_for  # noqa: PLC0415
        from hw3_browse.cache.schema import Sample  # noqa: PLC0415

        words = (*_WORDS, "number", str(index))
        count = len(words)
        return Sample(
            index=index,
            name=self.name(index),
            path="x.jpg",
            view=view_for((448, 300), (224, 224), 0.9, "center", (14, 14)),
            caption=self.caption(index),
            references=(" ".join(_WORDS),) * 5,
            token_ids=tuple(range(count)),
            pieces=words,
            word_of_piece=tuple(range(count)),
            words=words,
            logprobs=(-0.1,) * count,
            scores={name: float(column[index]) for name, column in self._scores.items()},
        )

    def attention(self, index: int) -> Attention:
        """Return a bump that walks with the token."""
        import numpy as np  # noqa: PLC0415

        from hw3_browse.cache.codec import Attention  # noqa: PLC0415

        weights = np.random.default_rng(index).random((len(_WORDS) + 2, 6, 8, 197), np.float32) ** 8
        return Attention(weights / weights.sum(-1, keepdims=True), 1, 14, 14)

    def preview(self, index: int) -> bytes:
        """Return a JPEG as busy as a photograph."""
        import numpy as np  # noqa: PLC0415
        from PIL import Image  # noqa: PLC0415

        noise = np.random.default_rng(index).integers(0, 255, (20, 30, 3), np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noise).resize((448, 300), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=85)
        return stream.getvalue()


def run_child(kind: str) -> None:
    """Be the program that is measured: the baseline, or the browser over so many rows."""
    if kind == "baseline":
        from textual.app import App  # noqa: PLC0415
        from textual.widgets import Static  # noqa: PLC0415

        class Baseline(App[None]):
            def compose(self) -> Any:
                yield Static("ready")

        Baseline().run()
        return
    from hw3_browse.tui.app import BrowserApp  # noqa: PLC0415

    BrowserApp(Synthetic(int(kind)), "clipscore").run()


class Session:
    """One measured program in a pty of its own."""

    def __init__(self, kind: str, size: tuple[int, int]) -> None:
        self._start = time.monotonic()
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execv(sys.executable, [sys.executable, __file__, "--child", kind])  # noqa: S606

    def read_until(self, text: str) -> float:
        """Read until a text was drawn; return the seconds since the start."""
        seen = b""
        while text.encode() not in seen:
            if not select.select([self._file], [], [], _PATIENCE)[0]:
                raise TimeoutError(f"no {text!r} in {_PATIENCE:.0f} seconds")
            seen += os.read(self._file, 1 << 16)
        return time.monotonic() - self._start

    def answer(self, key: str = "") -> tuple[float, int]:
        """Press a key; return seconds to the last byte of its answer, and its bytes."""
        start = last = time.monotonic()
        os.write(self._file, key.encode())
        count = 0
        while select.select([self._file], [], [], _QUIET)[0]:
            count += len(os.read(self._file, 1 << 16))
            last = time.monotonic()
        return last - start, count

    def memory(self) -> float:
        """Return the resident memory in MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def end(self) -> None:
        """Quit."""
        os.write(self._file, b"q\x11")
        try:
            while os.read(self._file, 1 << 16):
                pass
        except OSError:
            pass
        os.waitpid(self.pid, 0)
        os.close(self._file)


def first_frame(kind: str, size: tuple[int, int], text: str) -> float:
    """Return the median seconds from start to a text on the screen, over some runs."""
    times = []
    for _ in range(_RUNS):
        session = Session(kind, size)
        times.append(session.read_until(text))
        session.answer()
        session.end()
    return statistics.median(times)


def measure(kind: str, size: tuple[int, int], keys: int) -> dict[str, tuple[float, float]]:
    """Return for each kind of key the median (seconds, bytes), and under "memory" the MB after all of them."""
    session = Session(kind, size)
    session.read_until("rank 1 of")
    session.answer()
    found: dict[str, tuple[float, float]] = {}
    for what, letters in _KEYS.items():
        answers = [session.answer(letters[turn % len(letters)]) for turn in range(keys)]
        seconds, sizes = zip(*answers, strict=True)
        found[what] = statistics.median(seconds), statistics.median(sizes)
    found["memory"] = session.memory(), 0
    session.end()
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="160x50", help="columns and lines of the terminal")
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 5_000, 1_000_000], help="rows of the caches")
    parser.add_argument("--keys", type=int, default=12, help="presses of each kind of key")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        run_child(options.child)
        return
    columns, lines = map(int, options.size.split("x"))
    size = columns, lines
    baseline = first_frame("baseline", size, "ready")
    print(f"terminal {options.size}; baseline (smallest Textual app), start to first frame: {baseline:.3f} s = 1.0")
    for rows in options.rows:
        kind = str(rows)
        frame = first_frame(kind, size, "sorting")
        ready = first_frame(kind, size, "rank 1 of")
        found = measure(kind, size, options.keys)
        print(f"{rows:>9,} rows: first frame {frame:.3f} s = {frame / baseline:.2f}", end="; ")
        print(f"list sorted {ready:.3f} s = {ready / baseline:.2f}; memory {found.pop('memory')[0]:.0f} MB")
        for what, (seconds, count) in found.items():
            per = seconds / baseline
            print(f"{'':>10} {what:<6} {seconds * 1000:6.1f} ms = {per:.3f}  {count / 1000:7.1f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
