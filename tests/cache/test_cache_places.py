"""The XDG places, and the memory of the last cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw3_browse.cache import places


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("DATA", "CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    return tmp_path


def test_places_follow_the_environment(home: Path) -> None:
    assert places.caches_dir() == home / "data" / "hw3-browse" / "caches"
    assert places.state_dir() == home / "state" / "hw3-browse"
    assert places.config_file() == home / "config" / "hw3-browse" / "config.toml"
    assert not any(home.iterdir())  # asking makes nothing


def test_the_last_cache_is_remembered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.last_cache() is None
    folder = home / "a run\n with a line break"
    folder.mkdir()
    monkeypatch.chdir(home)
    places.remember_cache(Path(folder.name))
    monkeypatch.chdir("/")
    assert places.last_cache() == folder
    assert [path.name for path in places.state_dir().iterdir()] == ["last-cache"]
    folder.rmdir()
    assert places.last_cache() is None


@pytest.mark.parametrize("content", [b"", b"\n", b"\0\n", b"\xff\xfe/nowhere"])
def test_a_damaged_memory_is_no_memory(content: bytes) -> None:
    places.state_dir().mkdir(parents=True)
    (places.state_dir() / "last-cache").write_bytes(content)
    assert places.last_cache() is None


def test_an_unwritable_place_is_no_error(home: Path) -> None:
    (home / "state").write_text("a file where the folder should be")
    places.remember_cache(home)
    assert places.last_cache() is None
