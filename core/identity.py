"""What tells one checkpoint from another, without loading it (and without torch)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..cache.errors import CheckpointError

CHECKPOINT_FILES = ("config.json", "tokenizer.json", "model.safetensors")


def checkpoint_identity(folder: Path) -> dict[str, str]:
    """Name of a captioner's folder and the SHA-256 over the digests of its three files.

    Raises:
        CheckpointError: a file is missing.
    """
    digest = hashlib.sha256()
    for name in CHECKPOINT_FILES:
        path = folder / name
        if not path.is_file():
            raise CheckpointError(
                f"{path}: no such file; a captioner's folder holds {', '.join(CHECKPOINT_FILES)} (made by `hw3 train`)"
            )
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return {"name": folder.resolve().name, "sha256": digest.hexdigest()}
