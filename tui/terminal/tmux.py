"""What tmux says of itself and of the terminal around it, when its own command is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE: Final = 1.0  # seconds
_FIELDS: Final = (
    "version",
    "allow-passthrough",
    "client_utf8",
    "client_cell_width",
    "client_cell_height",
    "client_termfeatures",
    "client_termname",
    "client_termtype",  # last: a name may have blanks in it
)
_ALWAYS_PASSED: Final = (3, 3)  # before this version there was no option: everything was handed on


@dataclass(frozen=True, slots=True)
class Tmux:
    """A tmux and the client that shows it.

    Attributes:
        version: Such as "3.3a".
        passthrough: Whether it hands sequences on to the terminal around it; None where it does not say.
        terminal: Name of that terminal, as it gave it to tmux, else its TERM; "" when no client is attached.
        features: What tmux knows the terminal to have, such as "RGB" or "sixel".
        utf8: Whether the client is drawn in UTF-8.
        cell: Width and height of its cells in pixels; None where tmux does not know.
    """

    version: str
    passthrough: bool | None
    terminal: str
    features: frozenset[str]
    utf8: bool
    cell: tuple[int, int] | None


def ask_tmux(variables: Mapping[str, str]) -> Tmux | None:
    """Ask the tmux around this process; None if it cannot be asked."""
    import subprocess  # noqa: PLC0415 (not needed outside of tmux)

    pane = variables.get("TMUX_PANE", "")
    asked = " ".join(f"={{#{{{name}}}}}" for name in _FIELDS)
    command = ["tmux", "display-message", "-p", *(["-t", pane] if pane else []), asked]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, check=True, timeout=_PATIENCE, env=dict(variables), stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse(done.stdout.decode("utf-8", "replace"))


def parse(line: str) -> Tmux | None:
    """Read tmux's answer; None if it is none."""
    values = re.findall(r"=\{(.*?)\}(?= =\{|\s*$)", line)
    if len(values) != len(_FIELDS):
        return None
    found = {name: printable(value) for name, value in zip(_FIELDS, values, strict=True)}
    width, height = (found[f"client_cell_{side}"] for side in ("width", "height"))
    cell = (int(width), int(height)) if width.isdecimal() and height.isdecimal() else (0, 0)
    return Tmux(
        version=found["version"],
        passthrough=_passthrough(found["allow-passthrough"], found["version"]),
        terminal=found["client_termtype"] or found["client_termname"],
        features=frozenset(found["client_termfeatures"].split(",")) - {""},
        utf8=found["client_utf8"] != "0",
        cell=cell if all(cell) else None,
    )


def _passthrough(value: str, version: str) -> bool | None:
    if value in {"1", "2", "on", "all"}:
        return True
    if value in {"0", "off"}:
        return False
    numbers = re.search(r"(\d{1,3})\.(\d{1,3})", version)
    return True if numbers and (int(numbers[1]), int(numbers[2])) < _ALWAYS_PASSED else None
