"""What the browser remembers from one run to the next without being told to: the theme, the maps' look.

It is a convenience: a file that is damaged, too large or not writable counts as nothing remembered.
"""

from __future__ import annotations

import json
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ..cache.places import state_dir

if TYPE_CHECKING:
    from pathlib import Path

NAMES: Final = frozenset({"theme", "colormap", "opacity"})
_LARGEST: Final = 4096  # bytes
_CHANGING: Final = Lock()  # keys that come quickly are remembered by several threads, and each adds to what is there


def remembered() -> dict[str, Any]:
    """Return what is remembered, by the names of `Settings`' fields; the values are not checked."""
    try:
        with _file().open("rb") as stream:
            data = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {name: value for name, value in data.items() if name in NAMES}


def remember(**changes: str | float) -> None:
    """Remember values for the next run; waits for the disk, so not for an event loop.

    Args:
        changes: New values of some of `NAMES`.
    """
    from ..cache.files import replace_file  # noqa: PLC0415

    unknown = changes.keys() - NAMES
    if unknown:
        raise ValueError(f"not to be remembered: {', '.join(sorted(unknown))}")
    with _CHANGING, suppress(OSError):
        content = json.dumps(remembered() | changes).encode()
        if len(content) <= _LARGEST:
            _file().parent.mkdir(parents=True, exist_ok=True)
            replace_file(_file(), content)


def _file() -> Path:
    return state_dir() / "browser.json"
