"""Which of several processes this one is: started by torchrun, by Slurm's srun, or alone. Torch-free.

torchrun sets RANK, WORLD_SIZE and LOCAL_RANK; so do other launchers that follow PyTorch's convention. srun sets
SLURM_PROCID, SLURM_LOCALID and, for its own tasks alone, SLURM_STEP_NUM_TASKS. A batch script that was started with
several tasks, but without srun, has SLURM_PROCID and SLURM_NTASKS too, though it is one process: SLURM_NTASKS
therefore counts for nothing here. torchrun under srun is torchrun.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..cache.errors import UsageError

SHARED: Final = ("caption", "precompute", "train")
"""The commands that several processes can share."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a run, and this one's place among them.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        local_rank: number of this process on its machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks, and writes what there is only once."""
        return self.rank == 0

    @property
    def name(self) -> str:
        """What an error message calls this process; empty where it is alone."""
        return f"process {self.rank} of {self.size}" if self.size > 1 else ""


def world(environment: Mapping[str, str] | None = None) -> World:
    """Read from the environment which process this is.

    Raises:
        UsageError: The variables contradict each other.
    """
    found = os.environ if environment is None else environment
    for rank, size, local in (
        ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    ):
        if rank in found and size in found:
            return _checked(found, rank, size, local)
    return World()


def check_shared(command: str) -> None:
    """Refuse what several processes would all do, each the whole of it.

    Raises:
        UsageError: There are several, and they cannot share the command; or see `world`.
    """
    found = world()
    if found.size > 1 and command not in SHARED:
        raise UsageError(f"{found.size} processes cannot share it; start it alone ({', '.join(SHARED)} can be shared)")


def _checked(found: Mapping[str, str], rank: str, size: str, local: str) -> World:
    try:
        made = World(int(found[rank]), int(found[size]), int(found.get(local, "0")))
    except ValueError as error:
        raise UsageError(f"the environment's {rank}, {size} and {local} are no whole numbers ({error})") from error
    if not 0 <= made.rank < made.size or made.local_rank < 0:
        raise UsageError(f"the environment says {rank}={made.rank} and {size}={made.size}: no such process")
    return made
