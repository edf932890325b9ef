"""Writes a zero-shot run, whole or not at all.

Nothing of it is worth resuming, since what takes long (the embeddings) is kept elsewhere. A run grows in a hidden
folder beside its place and takes it by a rename; another zero-shot run that stands there is replaced, anything else is
never touched.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .. import folders, succession, work
from ..errors import CacheError
from ..files import replace_file, replacing
from ..schema import MANIFEST_FILE, SAMPLES_FILE, ZEROSHOT_FORMAT, is_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from .schema import Manifest

_ROWS_A_GROUP: Final = 65_536  # rows are short, and columns are read whole


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a run.

    Attributes:
        name: File stem.
        path: File, relative to the image folder, with "/" between its parts.
        width: In pixels.
        height: In pixels.
        label: Its true class, None where it is not known.
    """

    name: str
    path: str
    width: int
    height: int
    label: int | None


@dataclass(frozen=True, slots=True)
class Guesses:
    """What one prompt made of all pictures.

    Attributes:
        labels: int32 [count, guesses], best first.
        probabilities: float32 [count, guesses], of those labels.
        margin: float64 [count], the best probability less the second best.
        true_probability: float64 [count], NaN where the class is not known.
        true_rank: int32 [count] from 1, of the true class; 0 where it is not known.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    margin: NDArray[np.float64]
    true_probability: NDArray[np.float64]
    true_rank: NDArray[np.int32]


def write_run(
    folder: Path,
    manifest: Manifest,
    pictures: Sequence[Picture],
    guesses: Sequence[Guesses],
    previews: Iterable[bytes],
) -> Path:
    """Write a run.

    Args:
        folder: Where it will be; its parents are made.
        manifest: All but `files`, which is filled in here.
        pictures: `manifest.count` of them.
        guesses: Of each prompt.
        previews: A small JPEG of each picture.

    Returns:
        The folder.

    Raises:
        ValueError: The parts do not fit each other.
        CacheError: The folder holds something else, another process is writing there, or the disk refuses.
    """
    _check(manifest, pictures, guesses)
    with work.disk_errors(folder), ExitStack() as held:
        _check_place(folder)
        beside = succession.successor(folder)
        beside.mkdir(parents=True, exist_ok=True)
        lock = work.lock(beside)
        held.callback(lock.close)
        succession.clear(beside)
        folders.write_previews(beside, enumerate(previews))
        with replacing(beside / SAMPLES_FILE) as path:
            _write_table(path, pictures, guesses)
        sizes = {SAMPLES_FILE: (beside / SAMPLES_FILE).stat().st_size}
        replace_file(beside / MANIFEST_FILE, replace(manifest, files=sizes).to_json().encode())
        _check_place(folder)  # again: somebody else may have put something there meanwhile
        succession.swap(folder)
        (folder / work.LOCK_FILE).unlink()
    return folder


def _check(manifest: Manifest, pictures: Sequence[Picture], guesses: Sequence[Guesses]) -> None:
    count, kept = manifest.count, manifest.guesses
    if len(pictures) != count or len(guesses) != len(manifest.prompts):
        raise ValueError(f"{len(pictures)} pictures and {len(guesses)} prompts do not fit the manifest")
    for found in guesses:
        shapes = [found.labels.shape, found.probabilities.shape]
        shapes += [(*column.shape, kept) for column in (found.margin, found.true_probability, found.true_rank)]
        if any(shape != (count, kept) for shape in shapes):
            raise ValueError(f"expected {kept} guesses for each of {count} pictures, found shapes {shapes}")
    outside = next((picture.path for picture in pictures if not is_inside(picture.path)), None)
    if outside is not None:
        raise CacheError(f"the path {outside!r} leaves the image folder")


def _check_place(folder: Path) -> None:
    """Raise CacheError where something stands that is no zero-shot run."""
    succession.undo_broken_swap(folder)
    if folder.exists() and not folder.is_dir():
        raise CacheError(f"{folder} is a file; give a folder for the run")
    if folder.exists() and any(folder.iterdir()) and not succession.is_finished(folder, ZEROSHOT_FORMAT):
        raise CacheError(f"{folder} is not empty and holds no zero-shot run; give another folder")


def _write_table(path: Path, pictures: Sequence[Picture], guesses: Sequence[Guesses]) -> None:
    import pyarrow as pa  # noqa: PLC0415 (a third of a second)
    import pyarrow.parquet as pq  # noqa: PLC0415

    from ..arrow import strings  # noqa: PLC0415

    labels = np.array([-1 if picture.label is None else picture.label for picture in pictures], np.int32)
    columns: dict[str, Any] = {
        "index": pa.array(np.arange(len(pictures), dtype=np.int32)),
        "name": strings(picture.name for picture in pictures),
        "path": strings(picture.path for picture in pictures),
        "width": pa.array(np.array([picture.width for picture in pictures], np.int32)),
        "height": pa.array(np.array([picture.height for picture in pictures], np.int32)),
        "label": pa.array(labels, mask=labels < 0),
    }
    for place, found in enumerate(guesses):
        columns |= {f"p{place}_{name}": column for name, column in _columns(found).items()}
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=_ROWS_A_GROUP, write_page_checksum=True)


def _columns(found: Guesses) -> dict[str, pa.Array]:
    """Return the columns of one prompt."""
    import pyarrow as pa  # noqa: PLC0415

    count, kept = found.labels.shape
    starts = np.arange(count + 1, dtype=np.int32) * kept
    unknown = found.true_rank == 0
    return {
        "top": pa.ListArray.from_arrays(starts, found.labels.astype(np.int32).reshape(-1)),
        "probability": pa.ListArray.from_arrays(starts, found.probabilities.astype(np.float32).reshape(-1)),
        "true_probability": pa.array(found.true_probability.astype(np.float64), mask=unknown),
        "true_rank": pa.array(found.true_rank.astype(np.int32), mask=unknown),
        "margin": pa.array(found.margin.astype(np.float64)),
    }
