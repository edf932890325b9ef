"""Where things are kept on this machine: the operating system's own places (XDG on Linux).

XDG_DATA_HOME, XDG_STATE_HOME and XDG_CONFIG_HOME move them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_APP: Final = "hw3-browse"
_LAST: Final = "last-cache"


def caches_dir() -> Path:
    """Return the folder for evaluation caches: user data, since hours of computing are in them."""
    from platformdirs import user_data_path  # noqa: PLC0415 (an explicit cache on the command line needs no places)

    return user_data_path(_APP) / "caches"


def state_dir() -> Path:
    """Return the folder for what the program remembers between runs: the last cache, the theme, logs."""
    from platformdirs import user_state_path  # noqa: PLC0415

    return user_state_path(_APP)


def config_file() -> Path:
    """Return the browser's config file; the user writes it, the program never does."""
    from platformdirs import user_config_path  # noqa: PLC0415

    return user_config_path(_APP) / "config.toml"


def last_cache() -> Path | None:
    """Return the cache that was written last; None when there is none or its folder is gone."""
    try:
        recorded = (state_dir() / _LAST).read_bytes().rstrip(b"\n")
        folder = Path(os.fsdecode(recorded))
        return folder if recorded and folder.is_dir() else None
    except (OSError, ValueError):  # ValueError: a NUL byte in a damaged file
        return None


def remember_cache(folder: Path) -> None:
    """Remember a cache for `last_cache`; a state folder that cannot be written is no reason to fail."""
    from .files import replace_file  # noqa: PLC0415

    try:
        state_dir().mkdir(parents=True, exist_ok=True)
        replace_file(state_dir() / _LAST, os.fsencode(folder.resolve()) + b"\n")
    except OSError:
        return
