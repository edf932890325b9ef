"""TensorBoard logs of a run, where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...cache.errors import UsageError


class Board:
    """Scalars of a run in TensorBoard's event files.

    Args:
        folder: gets the event files; None writes none.
        step: where the run stands; what an earlier process wrote behind it is hidden.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | None, step: int = 0) -> None:
        self._writer: Any = None if folder is None else _writer(folder, step)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add the values of a step."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            self._writer.close()


def _writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (an extra, and slow)
    except ImportError as error:
        raise UsageError(
            "optim.tensorboard: needs the package tensorboard: pip install 'hw3-browse[tensorboard]'"
        ) from error
    return SummaryWriter(folder, purge_step=step)
