"""What processes that train together say to each other: gradients, and nothing else on the way.

Contract: every process works on its part of each batch, with the loss weighted so that the parts' losses add up to the
batch's; the sum of the gradients is then that of the batch (up to rounding), in all of them alike. Weights, optimizers
and random choices stay equal by themselves, since all processes begin with the same and do the same.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import uuid4

import torch
from torch import distributed, nn
from torch.distributed.rendezvous import rendezvous

from ..cache.errors import Hw3Error, UsageError
from .distributed import World

_T = TypeVar("_T")

# The others wait as long while the first process encodes all pictures, or validates.
_PATIENCE: Final = timedelta(hours=6)
_GATHERING: Final = timedelta(minutes=30)  # for all to come: machines of a queue do not start together
_CALL: Final = timedelta(seconds=0.5)
_PORTS: Final = range(15_000, 35_000)  # one of them for a Slurm job that names none


@contextmanager
def joined(world: World, device: torch.device) -> Iterator[None]:
    """Let the processes talk while the block runs; where there is one, nothing happens.

    Args:
        world: the processes. torchrun says by MASTER_ADDR and MASTER_PORT where they meet; under srun it is the first
            machine of the step, unless these variables say otherwise.
        device: NCCL connects GPUs, gloo processes on CPUs.

    Raises:
        UsageError: NCCL needs a GPU for each process, or it is not said where they meet.
        Hw3Error: another process was lost.
    """
    if world.size == 1:
        yield
        return
    gpus = torch.cuda.device_count()
    # Slurm can show each task a GPU of its own alone; torchrun shows all to all.
    if device.type == "cuda" and gpus <= world.local_rank and (gpus > 1 or "LOCAL_RANK" in os.environ):
        raise UsageError(
            f"training needs a GPU for each process: this is number {world.local_rank + 1} here, of {gpus}"
        )
    for name, value in meeting_point(os.environ).items():
        os.environ.setdefault(name, value)
    if "MASTER_ADDR" not in os.environ:
        raise UsageError("where do the processes meet? Use torchrun or srun, or set MASTER_ADDR and MASTER_PORT")
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        store = _met(world)
        distributed.init_process_group(backend, store=store, rank=world.rank, world_size=world.size, timeout=_PATIENCE)
        yield
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise Hw3Error(
            "another process has ended or cannot be reached; the same command goes on from the last saved state"
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def first_then_all(world: World, make: Callable[[], _T]) -> _T:
    """What `make` gives, made by the first process before the others: it may write files that these then find."""
    if world.size == 1:
        return make()
    made = make() if world.is_first else None
    distributed.barrier()
    return make() if made is None else made


def part_of(count: int, world: World) -> slice:
    """This process's part of a batch; parts of neighbours differ by one at most, and some may be empty."""
    return slice(world.rank * count // world.size, (world.rank + 1) * count // world.size)


@torch.no_grad()
def add_up(parameters: Iterable[nn.Parameter], loss: float, world: World) -> float:
    """Add up the gradients of all processes, in place, by one message; the sum of their losses.

    A process whose part was empty has no gradients and adds nothing. Parameters without a gradient anywhere keep none,
    as an optimizer treats those otherwise.
    """
    if world.size == 1:
        return loss
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    device = trained[0].device
    known = torch.tensor([loss, *(float(parameter.grad is not None) for parameter in trained)], device=device)
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in trained]
    whole = torch.cat([known, *(gradient.flatten().float() for gradient in gradients)])
    distributed.all_reduce(whole)
    total, *anywhere = whole[: len(known)].tolist()
    sums = whole[len(known) :].split([gradient.numel() for gradient in gradients])
    for parameter, gradient, summed, count in zip(trained, gradients, sums, anywhere, strict=True):
        parameter.grad = gradient.copy_(summed.view_as(gradient)) if count else None
    return float(total)


def meeting_point(environment: Mapping[str, str]) -> dict[str, str]:
    """MASTER_ADDR and MASTER_PORT of a Slurm step: its first machine, and a port that its number gives."""
    machines = environment.get("SLURM_STEP_NODELIST", "")
    found = re.match(r"([^,\[]+)(?:\[(\d+))?", machines)
    if found is None:
        return {}
    job = int(environment.get("SLURM_JOB_ID", "0"))
    return {"MASTER_ADDR": found[1] + (found[2] or ""), "MASTER_PORT": str(_PORTS[job % len(_PORTS)])}


def _met(world: World) -> Any:
    """A store that this start of the processes has for itself, when all have come.

    torchrun keeps one store over its restarts, where the addresses of processes that are gone would be found. So the
    first process calls with a name that is new; each answers with one of its own, until it reads that among the names
    that the first process has heard.
    """
    store, _, _ = next(rendezvous("env://", world.rank, world.size, timeout=_GATHERING))
    own = uuid4().hex
    if world.is_first:
        store.set("call", own)
        heard = [store.get(f"{own}/{rank}").decode() for rank in range(1, world.size)]
        store.set(f"{own}/heard", " ".join(heard))
        return distributed.PrefixStore(own, store)  # type: ignore[attr-defined]
    for _ in range(_GATHERING // _CALL):
        call = store.get("call").decode()
        store.set(f"{call}/{world.rank}", own)
        with suppress(distributed.DistStoreError):  # not yet, or an earlier start's call
            store.wait([f"{call}/heard"], _CALL)
            if own in store.get(f"{call}/heard").decode().split():
                return distributed.PrefixStore(call, store)  # type: ignore[attr-defined]
            time.sleep(_CALL.total_seconds())
    raise Hw3Error(f"the first process has not come within {_GATHERING}")


def _is_lost(error: RuntimeError) -> bool:
    return isinstance(error, distributed.DistError) or "gloo" in str(error) or "NCCL" in str(error)
