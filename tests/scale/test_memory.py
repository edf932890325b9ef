"""When memory runs out: smaller parts, the same results, and one line that says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.errors import UsageError
from hw3_browse.cache.reader import Cache
from hw3_browse.core import memory
from hw3_browse.core.captioners import OwnCaptioner
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.datasets import open_dataset
from hw3_browse.core.memory import Fitting, automatic_batch, is_out_of_memory, largest_batch
from hw3_browse.core.precompute import Options, Precompute

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        MemoryError(),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_what_means_that_memory_ran_out(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("out of memory"), KeyboardInterrupt()])
def test_what_does_not(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_torch_itself_says_it_so() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_parts_get_smaller_until_they_fit(capsys: pytest.CaptureFixture[str]) -> None:
    sizes: list[int] = []

    def work(part: Sequence[int]) -> list[int]:
        sizes.append(len(part))
        if len(part) > 3:
            raise FULL
        return [number * 2 for number in part]

    fitting = Fitting("captioning")
    assert fitting(work, range(10)) == list(range(0, 20, 2))
    assert fitting(work, range(4)) == [0, 2, 4, 6]
    assert sizes == [10, 5, 2, 2, 2, 2, 2, 2, 2]
    assert capsys.readouterr().err.splitlines() == [
        "memory ran out: captioning goes on with 5 pictures at once",
        "memory ran out: captioning goes on with 2 pictures at once",
    ]


def test_a_single_picture_that_does_not_fit_is_one_line() -> None:
    def work(part: Sequence[int]) -> list[int]:
        raise FULL

    with pytest.raises(UsageError, match="a single one of the pictures"):
        Fitting("captioning")(work, range(4))


def test_other_errors_pass_through() -> None:
    def work(part: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        Fitting("captioning")(work, range(4))


@pytest.mark.parametrize(("room", "expected"), [(5, 8), (8, 8), (100, 64), (10_000, 512)])
def test_the_largest_batch_is_found_by_doubling(room: int, expected: int) -> None:
    tried: list[int] = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > room:
            raise FULL

    assert largest_batch(attempt) == expected
    assert max(tried) <= 512


def test_on_a_cpu_nothing_is_tried() -> None:
    def attempt(size: int) -> None:
        raise AssertionError

    assert torch.cuda.is_available() or automatic_batch(attempt) == memory.CPU_BATCH


def test_a_run_with_too_little_memory_gives_the_same_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, annotations = write_dataset(tmp_path, 9)
    tiny_captioner().save(tmp_path / "captioner")
    clip = ClipSpec(str(write_clip(tmp_path / "clip")))

    def run(name: str) -> Cache:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"kept-{name}"))
        options = Options(batch=8, device="cpu", metrics=("bleu",))
        dataset = open_dataset(images, annotations)
        return Cache.open(Precompute(dataset, tmp_path / "captioner", clip, options).run(tmp_path / name))

    plenty = run("plenty")
    for owner, method in ((OwnCaptioner, "write"), (Clip, "embed_images")):
        whole = getattr(owner, method)

        def little(self: Any, inputs: Any, *given: Any, whole: Any = whole, **named: Any) -> Any:
            if len(inputs) > 3:
                raise FULL
            return whole(self, inputs, *given, **named)

        monkeypatch.setattr(owner, method, little)
    little_memory = run("little")
    assert "memory ran out: CLIP goes on with 2 pictures at once" in capsys.readouterr().err
    with plenty, little_memory:
        for index in range(9):
            one, other = plenty.sample(index), little_memory.sample(index)
            assert one.caption == other.caption
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
            assert one.scores == pytest.approx(other.scores, abs=1e-3)
            np.testing.assert_allclose(
                plenty.attention(index).weights, little_memory.attention(index).weights, atol=0.01
            )
