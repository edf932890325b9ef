"""Whatever is pressed, typed and clicked, at whatever size: no crash, whole lines, the selected row in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from monkey import game

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one


@pytest.mark.parametrize(
    ("kind", "seed", "size"),
    [
        ("nasty", 1, (160, 50)),
        ("two", 2, (80, 24)),
        ("live", 3, (80, 24)),
        ("new", 4, (120, 40)),
        ("zero-shot", 5, (80, 24)),
    ],
)
async def test_a_monkey(kind: str, seed: int, size: tuple[int, int], tmp_path: Path) -> None:
    assert len(await game(kind, tmp_path, seed, 14, size)) > 40
