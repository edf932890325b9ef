"""What processes that train together tell each other, and where they meet."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.collective import add_up, first_then_all, joined, meeting_point, part_of
from hw3_browse.core.distributed import World


@pytest.mark.parametrize(("count", "size"), [(5, 2), (100, 8), (3, 4)])
def test_a_batch_is_divided_without_rest(count: int, size: int) -> None:
    parts = [range(count)[part_of(count, World(rank, size))] for rank in range(size)]
    assert [number for part in parts for number in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_gradients_of_all_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter that one process alone has a gradient of, and one that none has."""
    here = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    here[0].grad = torch.tensor([1.0, 2.0])
    other = torch.tensor([0.5, 1.0, 1.0, 0.0, 10.0, 20.0, 30.0, 40.0, 0.0, 0.0])

    def all_reduce(whole: torch.Tensor) -> None:
        whole += other

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    assert add_up(here, 0.25, World(0, 2)) == 0.75
    grads: list[Any] = [parameter.grad for parameter in here]
    assert grads[0].tolist() == [11.0, 22.0]
    assert grads[1].tolist() == [30.0, 40.0]
    assert grads[2] is None


def test_one_process_needs_no_others() -> None:
    with joined(World(), torch.device("cpu")):
        assert not torch.distributed.is_initialized()
        assert first_then_all(World(), lambda: 3) == 3
        assert add_up([], 0.5, World()) == 0.5


@pytest.mark.parametrize(
    ("machines", "expected"),
    [("node07", "node07"), ("node[01-04,07]", "node01"), ("gpu-a3,gpu-b1", "gpu-a3"), ("n[3,5],m1", "n3")],
)
def test_under_slurm_they_meet_on_the_first_machine(machines: str, expected: str) -> None:
    found = meeting_point({"SLURM_STEP_NODELIST": machines, "SLURM_JOB_ID": "123456"})
    assert found["MASTER_ADDR"] == expected
    assert 1024 < int(found["MASTER_PORT"]) < 65536


def test_elsewhere_somebody_must_say_where() -> None:
    assert meeting_point({}) == {}


def test_a_process_without_a_gpu_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UsageError, match="number 2 here, of 1"), joined(World(1, 2, 1), torch.device("cuda", 0)):
        pass


def test_nowhere_to_meet_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="MASTER_ADDR"), joined(World(1, 2), torch.device("cpu")):
        pass
