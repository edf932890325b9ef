"""Devices and precision by name; memory that is kept, in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.device import autocast, choose_device


def test_devices_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_what_is_not_there_is_one_line(name: str) -> None:
    with pytest.raises(UsageError, match="device"):
        choose_device(name)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_computes_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    with autocast(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_large_tensors_are_not_mapped_anew_each_time() -> None:
    """Freed memory stays with the process, so that the same pages serve the next batch."""
    code = """
import resource, sys, torch
from hw3_browse.core.device import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(20):  # until the heap has found its size
    torch.ones(16_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(16_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        how: int(subprocess.run([sys.executable, "-c", code, how], capture_output=True, check=True).stdout)
        for how in ("keep", "return")
    }
    assert faults["keep"] * 10 < faults["return"]
