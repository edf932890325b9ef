"""What the browser finds on this machine and in this terminal, for people to read: `hw3-browse --doctor`.

The exit code is 1 if something without which the browser does not work is broken (such lines begin with "!"): a
package is missing, or the config file cannot be read. What merely could be better is said and leaves it 0.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...cache import places
from ...cache.errors import Hw3Error
from ...cache.text import printable
from .choose import AUTO
from .line import Line
from .modes import MODES
from .probe import probe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .modes import Terminal

_LEAST: Final = (60, 16)  # cells; as the browser says when the window is smaller
_PACKAGES: Final = ("textual", "rich", "pillow", "numpy", "pyarrow", "zstandard", "platformdirs", "matplotlib")
_NAME_WIDTH: Final = 16
_MARK: Final = "!"


def report(forced: str | None = None) -> list[str]:
    """Ask the terminal and return the lines of the report; see `is_broken`.

    Args:
        forced: A mode or "auto"; None means what the environment or the config file sets.
    """
    forced = forced or _set_mode()
    terminal = probe(forced)
    sections = {
        "terminal": _terminal(terminal, os.environ),
        "pictures": _pictures(terminal, forced),
        "environment": _environment(os.environ),
        "places": _places(),
        "versions": _versions(),
    }
    lines = []
    for title, entries in sections.items():
        lines += [title, *entries, ""]
    return [printable(line) for line in lines[:-1]]


def is_broken(lines: list[str]) -> bool:
    """Return whether a line of a report says that the browser does not work."""
    return any(line.startswith(_MARK) for line in lines)


def run(forced: str | None = None) -> int:
    """Print the report and return the exit code; the process is expected to end with it."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` has had enough: end without a word
    lines = report(forced)
    print("\n".join(lines))
    return int(is_broken(lines))


def _entry(name: str, value: object, *, broken: bool = False) -> str:
    return f"{_MARK if broken else ' '} {name:<{_NAME_WIDTH}} {value}"


def _terminal(terminal: Terminal, variables: Mapping[str, str]) -> Iterator[str]:
    for name in ("TERM", "TERM_PROGRAM", "LC_TERMINAL", "COLORTERM"):
        if name in variables or name == "TERM":
            yield _entry(name, variables.get(name) or "not set")
    line = Line.standard()
    size = line.size() if line else None
    if size and size.columns:
        small = size.columns < _LEAST[0] or size.lines < _LEAST[1]
        note = f"; the browser needs {_LEAST[0]} x {_LEAST[1]}" if small else ""
        yield _entry("size", f"{size.columns} x {size.lines} cells{note}")
    if not terminal.multiplexer:
        yield _entry("multiplexer", "none")
    for name, value in terminal.facts:
        light = {True: ", dark", False: ", light", None: ""}[terminal.is_dark] if name == "background" else ""
        yield _entry(name, f"{value}{light}")


def _pictures(terminal: Terminal, forced: str) -> Iterator[str]:
    what = {"half": "in cells (half blocks)", "none": "not at all"}.get(terminal.mode, f"by {terminal.mode}")
    way = ", wrapped for tmux" if terminal.passthrough else ""
    yield _entry("shown", f"{what}{way}: {terminal.why}")
    yield _entry("set to", forced)
    yield _entry("to force", f"--graphics {'|'.join(MODES)} (see docs/terminals.md)")


def _environment(variables: Mapping[str, str]) -> Iterator[str]:
    locale = next((variables[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if variables.get(name)), "")
    utf8 = "utf8" in locale.lower().replace("-", "")
    hint = "" if utf8 else "; the browser writes UTF-8 all the same: if signs look wrong, set LANG=C.UTF-8"
    yield _entry("locale", f"{locale or 'not set'}{hint}")
    yield _entry(
        "NO_COLOR", "set: text is without colours, pictures keep theirs" if variables.get("NO_COLOR") else "no"
    )
    client = variables.get("SSH_CONNECTION", "").partition(" ")[0]
    yield _entry("SSH", f"from {client}" if client else "no")


def _places() -> Iterator[str]:
    config = places.config_file()
    yield _entry("config file", config if config.exists() else f"{config} (none yet)")
    if problem := _config_problem(config):
        yield _entry("", problem, broken=True)
    yield _entry("last cache", places.last_cache() or "none yet")
    for name, folder in (("caches", places.caches_dir()), ("state", places.state_dir())):
        yield _entry(name, f"{folder}{'' if _is_writable(folder) else ' (cannot be written)'}")
    logs = sorted((places.state_dir() / "crashes").glob("*.log"))
    yield _entry("crash logs", f"{len(logs)}, the last {logs[-1]}" if logs else "none")


def _config_problem(config: Path) -> str:
    from ..settings import read  # noqa: PLC0415 (reads this package)

    try:
        read(config)
    except Hw3Error as error:
        return str(error)
    return ""


def _is_writable(folder: Path) -> bool:
    """Return whether a folder can be written or made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _versions() -> Iterator[str]:
    yield _entry("Python", f"{platform.python_version()}, {sys.executable}")
    for name in ("hw3-browse", *_PACKAGES):
        try:
            yield _entry(name, version(name))
        except PackageNotFoundError:
            yield _entry(name, "missing: pip install hw3-browse", broken=name in _PACKAGES)


def _set_mode() -> str:
    """Return what is set for pictures, as the browser would see it."""
    from ..settings import load  # noqa: PLC0415

    try:
        return load({}, os.environ).graphics
    except Hw3Error:
        return AUTO  # the report says what is wrong


if __name__ == "__main__":
    sys.exit(run())
