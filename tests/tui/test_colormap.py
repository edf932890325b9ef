"""Colour maps: the same as matplotlib's, and how one goes from one to the next."""

from __future__ import annotations

import base64
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.errors import UsageError
from hw3_browse.tui import colormap
from hw3_browse.tui.colormap import LEVELS, OPACITIES, names, next_name, next_opacity, table


def from_matplotlib(name: str) -> np.ndarray:
    from matplotlib import colormaps

    return np.asarray(np.rint(colormaps[name](np.arange(LEVELS))[:, :3] * 255), np.uint8)


def packed(name: str) -> str:
    """Return a table of matplotlib as it stands in the module."""
    steps = np.diff(from_matplotlib(name), axis=0, prepend=np.uint8(0))
    return base64.b85encode(zlib.compress(steps.T.tobytes(), 9)).decode()


@pytest.mark.parametrize("name", names())
def test_a_table_is_matplotlibs(name: str) -> None:
    assert table(name).shape == (LEVELS, 3)
    assert table(name).dtype == np.uint8
    assert np.array_equal(table(name), from_matplotlib(name)), f"the table should be {packed(name)}"


def test_a_table_is_shared_and_so_read_only() -> None:
    assert table("viridis") is table("viridis")
    with pytest.raises(ValueError, match="read-only"):
        table("viridis")[0] = 0


def test_the_usual_one_comes_first() -> None:
    assert names()[0] == colormap.DEFAULT == "jet"
    assert np.array_equal(table(), table("jet"))


@pytest.mark.parametrize("name", ["viridis", "magma", "inferno", "gray"])
def test_maps_that_grow_evenly_brighter(name: str) -> None:
    light = table(name).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > -0.5).all()
    assert light[-1] - light[0] > 150


@pytest.mark.parametrize(("name", "hint"), [("virids", "did you mean viridis"), ("x", "there are jet, viridis, ")])
def test_an_unknown_map(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no colour map '{name}': {hint}"):
        table(name)


def test_one_map_after_the_other() -> None:
    shown = [names()[0]]
    while (following := next_name(shown[-1])) != names()[0]:
        shown.append(following)
    assert tuple(shown) == names()
    assert next_name(names()[0], -1) == names()[-1]
    assert next_name("of another version") == names()[0]


@given(st.floats(0, 1), st.sampled_from([1, -1]))
def test_opacity_goes_on_in_one_direction_and_ends(opacity: float, step: int) -> None:
    following = next_opacity(opacity, step)
    assert following in OPACITIES
    end = OPACITIES[-1] if step > 0 else OPACITIES[0]
    assert following == end or (following - opacity) * step > 0
    between = [known for known in OPACITIES if min(opacity, following) < known < max(opacity, following)]
    assert not between


def test_matplotlib_is_not_needed() -> None:
    code = (
        "import sys\nfrom hw3_browse.tui.colormap import table\ntable('magma')\nassert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
