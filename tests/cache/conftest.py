"""Fixtures of the cache's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import make_cache
from hypothesis import settings

from hw3_browse.cache.reader import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

settings.register_profile("cache", deadline=None)  # a busy machine is no error
settings.load_profile("cache")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cache of twelve pictures that no test may change."""
    return make_cache(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def cache(finished: Path) -> Iterator[Cache]:
    """The same, open."""
    with Cache.open(finished) as opened:
        yield opened
