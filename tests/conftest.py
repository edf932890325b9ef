"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from platformdirs import user_cache_path

settings.register_profile("hw3", deadline=None)  # a busy machine is no error
settings.load_profile("hw3")


@pytest.fixture(scope="session", autouse=True)
def _own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the program keeps to be quicker next time stays out of the user's own cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        if "MPLCONFIGDIR" not in os.environ:  # matplotlib need not look at all fonts again
            patch.setenv("MPLCONFIGDIR", str(user_cache_path("matplotlib")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("user-cache")))
        yield


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder of golden data outside the project: $HW3_GOLDEN, or ../shared/golden beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "golden"
    folder = Path(os.environ.get("HW3_GOLDEN", default))
    if not folder.is_dir():
        pytest.skip("no golden data: set HW3_GOLDEN to their folder")
    return folder
