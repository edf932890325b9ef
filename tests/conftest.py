"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("hw3", deadline=None)  # a busy machine is no error
settings.load_profile("hw3")


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder of golden data outside the project: $HW3_GOLDEN, or ../shared/golden beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "golden"
    folder = Path(os.environ.get("HW3_GOLDEN", default))
    if not folder.is_dir():
        pytest.skip("no golden data: set HW3_GOLDEN to their folder")
    return folder
