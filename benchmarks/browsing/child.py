"""The program that is measured: the browser, or the smallest Textual app there is."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from hw3_browse.tui.runs import Runs
    from hw3_browse.tui.terminal.modes import Mode

BASELINE_TEXT = "ready"


@dataclass(frozen=True, slots=True)
class Job:
    """What to run.

    Attributes:
        pid_file: Where to leave the number of the process.
        mode: How pictures are shown: "half", "kitty", "sixel", "iterm2"; "" for the baseline.
        rows: Rows of the synthetic run.
        previews: Folder of its pictures.
        cache: A cache to open instead; "" for none.
        in_tmux: Whether pictures pass through tmux.
    """

    pid_file: str
    mode: str
    rows: int = 0
    previews: str = ""
    cache: str = ""
    in_tmux: bool = False

    def to_text(self) -> str:
        """Return it for a command line."""
        return dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return it from the command line."""
        return cls(**loads(text))


def run(job: Job) -> None:
    """Be that program."""
    Path(job.pid_file).write_text(str(os.getpid()), "ascii")
    os.environ["COLORTERM"] = "truecolor"
    if job.mode:
        _browse(job)
    else:
        _baseline()


def _baseline() -> None:
    from textual.app import App  # noqa: PLC0415 (what is imported is measured)
    from textual.widgets import Static  # noqa: PLC0415

    class Baseline(App[None]):
        """One line of text."""

        BINDINGS = [("q", "quit", "quit")]  # noqa: RUF012 (Textual declares it so)

        def compose(self) -> Any:
            """Hold it."""
            yield Static(BASELINE_TEXT)

    Baseline().run()


def _browse(job: Job) -> None:
    from hw3_browse.tui.captions_app import CaptionBrowser  # noqa: PLC0415 (as above)
    from hw3_browse.tui.process import run as run_app  # noqa: PLC0415
    from hw3_browse.tui.settings import Settings  # noqa: PLC0415
    from hw3_browse.tui.terminal.modes import Terminal  # noqa: PLC0415

    multiplexer = "tmux" if job.in_tmux else ""
    terminal = Terminal(
        cast("Mode", job.mode),
        "for the benchmark",
        cell=(9, 18),
        multiplexer=multiplexer,
        passthrough=job.in_tmux,
        truecolor=True,
        program="kitty(0.42.0)" if job.mode == "kitty" else "",
    )
    run_app(CaptionBrowser(_runs(job), Settings(), terminal, lambda: _runs(job)))


def _runs(job: Job) -> Runs:
    from hw3_browse.tui.runs import Runs  # noqa: PLC0415 (as above)

    if job.cache:
        from hw3_browse.cache.live import open_cache  # noqa: PLC0415

        return Runs([open_cache(Path(job.cache))])
    from browsing.synthetic import Synthetic  # noqa: PLC0415

    return Runs([Synthetic(job.rows, Path(job.previews))])
