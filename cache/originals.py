"""The dataset's own pictures, which need not be on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def original_file(plan: Mapping[str, Any], path: str) -> Path | None:
    """Return the file of a picture of a run, or None where the dataset is not on this machine.

    Args:
        plan: What identifies the run; it names the dataset's image folder.
        path: The picture, relative to that folder. One that leads out of it, through a symbolic link too, counts as
            not there.
    """
    dataset = plan.get("dataset")
    images = dataset.get("images") if isinstance(dataset, dict) else None
    if not isinstance(images, str) or not Path(images).is_absolute():
        return None
    try:
        root = Path(images).resolve()
        file = (root / path).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):  # ValueError: a NUL byte in the manifest's path
        return None
