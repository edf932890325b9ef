"""Terminals that did not answer, remembered, so that only the first start waits for them.

A terminal that answers is never remembered: another one may have the same name in the environment, and to ask it
costs no more than its answer takes. One that is silent is asked again, but not waited for, and after a week it is
given its time once more.
"""

from __future__ import annotations

import hashlib
import json
from time import time
from typing import TYPE_CHECKING, Final

from ...cache.places import state_dir

if TYPE_CHECKING:
    from pathlib import Path

    from .environment import Environment

_WEEK: Final = 7 * 24 * 3600.0  # seconds
_MOST: Final = 50
_LARGEST: Final = 16_384  # bytes


class Silence:
    """Whether one terminal is known to be silent.

    Args:
        environment: What tells this terminal from others.
        part: "" for the terminal itself, or which part of the way to it.
    """

    def __init__(self, environment: Environment, part: str = "") -> None:
        about = environment
        told = (about.term, about.program, about.multiplexer, about.colorterm, about.ssh, part)
        self._key = hashlib.sha256("\0".join(told).encode("utf-8", "replace")).hexdigest()[:16]

    def is_known(self) -> bool:
        """Return whether it did not answer within the last week."""
        return self._key in _read()

    def keep(self, *, silent: bool) -> None:
        """Remember that it was silent, or forget it; a state folder that cannot be written is no reason to fail."""
        from ...cache.files import replace_file  # noqa: PLC0415

        known = _read()
        if silent == (self._key in known):
            return
        if silent:
            known[self._key] = time()
        else:
            del known[self._key]
        newest = sorted(known.items(), key=lambda entry: entry[1])[-_MOST:]
        try:
            _file().parent.mkdir(parents=True, exist_ok=True)
            replace_file(_file(), json.dumps(dict(newest)).encode())
        except OSError:
            return


def _read() -> dict[str, float]:
    """Return when each was silent; what is old, damaged or from the future counts as nothing."""
    try:
        with _file().open("rb") as stream:
            data = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    now = time()
    return {key: when for key, when in data.items() if isinstance(when, float) and 0 <= now - when < _WEEK}


def _file() -> Path:
    return state_dir() / "silent-terminals.json"
