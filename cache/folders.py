"""What every run on disk has: a folder with a manifest that was written last, files of known sizes, previews."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from .errors import CacheDamaged, CacheError, CacheNotFound, CacheUnfinished
from .files import sync
from .schema import MANIFEST_FILE, PREVIEWS_DIR, WORK_FILE, preview_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Identity = tuple[int, int]

_LARGEST_MANIFEST: Final = 16 << 20  # bytes; ours have some thousand
_LARGEST_PREVIEW: Final = 16 << 20
_SYNC_THREADS: Final = 8


def read_manifest(folder: Path) -> tuple[str, Identity]:
    """Return the text of a folder's manifest, and what tells it from one that replaces it.

    Raises:
        CacheNotFound: The folder does not exist or has no manifest.
        CacheUnfinished: Its run has not ended.
        CacheDamaged: It is too large, or no text.
        CacheError: It cannot be read.
    """
    file = folder / MANIFEST_FILE
    try:
        if not file.is_file():
            raise _no_manifest(folder)
        if file.stat().st_size > _LARGEST_MANIFEST:
            raise CacheDamaged(f"{folder}: {MANIFEST_FILE} is too large to be one")
        return file.read_text("utf-8"), identity(folder)
    except UnicodeDecodeError as error:
        raise CacheDamaged(f"{folder}: {MANIFEST_FILE} is not text ({error})") from error
    except OSError as error:
        raise unreadable(folder, error) from error


def identity(folder: Path) -> Identity:
    """Return what tells a folder's manifest from one that replaces it; raises `OSError`."""
    status = (folder / MANIFEST_FILE).stat()
    return status.st_ino, status.st_mtime_ns


def check_sizes(folder: Path, names: Sequence[str], sizes: Mapping[str, int]) -> None:
    """Check that files have the sizes that the manifest gives.

    Raises:
        CacheDamaged: One is missing, cut short or altered.
        CacheError: One cannot be looked at.
    """
    try:
        for name in names:
            _check_size(folder / name, sizes.get(name))
    except OSError as error:
        raise unreadable(folder, error) from error


def read_preview(folder: Path, index: int) -> bytes:
    """Return the small JPEG of a picture.

    Raises:
        CacheDamaged: It is missing or no JPEG.
    """
    file = folder / preview_file(index)
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_PREVIEW)
    except OSError as error:
        raise CacheDamaged(f"{file}: the preview cannot be read ({error.strerror or error})") from error
    if not content.startswith(b"\xff\xd8\xff"):
        raise CacheDamaged(f"{file}: the preview is not a JPEG")
    return content


def write_previews(folder: Path, previews: Iterable[tuple[int, bytes]]) -> None:
    """Write the small JPEGs of pictures, given by index, and force them to the disk.

    Syncing many small files is waiting, so threads share it.

    Raises:
        OSError: The disk refuses.
    """
    shutil.rmtree(folder / PREVIEWS_DIR, ignore_errors=True)  # of a finish that was killed
    paths = []
    for index, preview in previews:
        path = folder / preview_file(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(preview)
        paths.append(path)
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        list(pool.map(sync, paths))
    for parent in {path.parent for path in paths} | {folder / PREVIEWS_DIR}:
        sync(parent)


def unreadable(folder: Path, error: OSError) -> CacheError:
    """Return the error for what the disk refuses."""
    return CacheError(f"{folder}: cannot read the cache ({error.strerror or error})")


def _check_size(file: Path, expected: int | None) -> None:
    if not file.is_file():
        raise CacheDamaged(f"{file.parent}: {file.name} is missing")
    if expected is None:
        raise CacheDamaged(f"{file.parent}: {MANIFEST_FILE} is damaged: no size of {file.name}")
    found = file.stat().st_size
    if found != expected:
        raise CacheDamaged(
            f"{file.parent}: {file.name} has {found} bytes, {expected} expected; "
            "it was cut short or altered, copy the cache again"
        )


def _no_manifest(folder: Path) -> CacheError:
    """Return the error for a folder without a manifest."""
    if not folder.exists():
        return CacheNotFound(f"{folder}: no such folder")
    if not folder.is_dir():
        return CacheNotFound(f"{folder} is a file; give the folder of a cache")
    if (folder / WORK_FILE).exists():
        return CacheUnfinished(
            f"{folder}: the run is not finished; hw3 precompute with the same arguments goes on where it stopped"
        )
    inner = next((path.parent for path in sorted(folder.glob(f"*/{MANIFEST_FILE}"))), None)
    hint = f"; did you mean {inner}?" if inner else ""
    return CacheNotFound(f"{folder} is not a cache (no {MANIFEST_FILE}){hint}")
