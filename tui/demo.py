"""What to open where the user names no cache: the one written last, else the bundled demo, computed first."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from ..cache.errors import UsageError
from ..cache.places import last_cache

if TYPE_CHECKING:
    from pathlib import Path

_COMMAND: Final = (sys.executable, "-m", "hw3_browse.core.cli", "demo", "--no-browse")
_STANDARD_ERROR: Final = 2  # standard output is the list's, which may be piped to a program


def cache_to_open() -> Path:
    """Return the cache written last; where there is none, compute the demo first, with its progress on the terminal.

    Raises:
        UsageError: There is none, and no torch to compute one with; or computing it failed.
    """
    found = last_cache()
    if found is not None:
        return found
    if importlib.util.find_spec("torch") is None:
        raise UsageError(
            "no cache yet: name one (hw3-browse CACHE), or install the models to compute the demo: "
            "pip install 'hw3-browse[models]'"
        )
    print("no cache yet: computing the bundled demo first (hw3 demo)", file=sys.stderr, flush=True)
    done = subprocess.run(_COMMAND, stdout=_STANDARD_ERROR, check=False)  # noqa: S603 (our own command, no shell)
    found = last_cache()
    if done.returncode or found is None:
        raise UsageError(f"the demo could not be computed (exit code {done.returncode}); see the lines above")
    return found
