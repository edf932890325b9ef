"""What the tests of the browser share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fakes import make_cache

CAPTIONS = (
    "a man riding a skateboard under a red umbrella",
    "two dogs running on the beach",
    "pneumonoultramicroscopic sheep",
    "一只猫 next to a cat",
)


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cache of 20 pictures; tests do not write to it."""
    return make_cache(tmp_path_factory.mktemp("cache") / "run", count=20, words=CAPTIONS)


@pytest.fixture(scope="session")
def nasty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cache with all that strangers write."""
    return make_cache(tmp_path_factory.mktemp("nasty") / "run", count=24)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own: nothing is remembered, and nothing of the real one is read or written."""
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def writable_copy(cache_folder: Path, tmp_path: Path) -> Path:
    """A copy of the cache that a test may damage."""
    return Path(shutil.copytree(cache_folder, tmp_path / "copy"))
