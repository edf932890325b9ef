"""How a new cache takes the place of an old one: it grows in a hidden folder beside it, and two renames swap them.

RUN/        the old one, whole until the swap
.RUN.new/   the new one while it grows
.RUN.old/   the old one for the moment between the renames and its removal
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Final

from .files import sync
from .schema import FORMAT, MANIFEST_FILE, WORK_FILE
from .work import LOCK_FILE

if TYPE_CHECKING:
    from pathlib import Path

_SUCCESSOR: Final = re.compile(r"\.(.+)\.new", re.DOTALL)


def successor(folder: Path) -> Path:
    """Return where the next cache of a folder grows: on the same file system, so that a rename can put it in place."""
    return beside(folder, "new")


def place_of(folder: Path) -> Path:
    """Return the folder whose place a successor will take; for any other folder, itself."""
    found = _SUCCESSOR.fullmatch(folder.name)
    return folder.with_name(found[1]) if found else folder


def is_finished(folder: Path, kind: str = FORMAT) -> bool:
    """Tell whether the folder holds a run of this format, whatever version; other programs have manifests too."""
    try:
        content = json.loads((folder / MANIFEST_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == kind


def clear(folder: Path) -> None:
    """Remove an unfinished run, the lock of its folder excepted; a crash on the way leaves no run to go on with."""
    (folder / WORK_FILE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK_FILE:
            path.unlink()


def swap(folder: Path) -> None:
    """Put the complete successor in the place of the old cache, if there is one; at every moment one is whole."""
    old = beside(folder, "old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    successor(folder).rename(folder)
    sync(folder.absolute().parent)
    # On network drives a file that a reader has open cannot quite be removed; the new cache is in place all the same.
    shutil.rmtree(old, ignore_errors=True)


def undo_broken_swap(folder: Path) -> None:
    """Bring the old cache back if a crash fell between the two renames of `swap`."""
    old = beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def beside(folder: Path, what: str) -> Path:
    """Return the hidden folder for something that belongs to a cache's folder, on the same file system."""
    whole = folder.absolute()
    return whole.with_name(f".{whole.name}.{what}")
