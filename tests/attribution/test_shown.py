"""The kind of maps is named where maps are shown: the browser's status line, saved figures, reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browsing import press, running
from fakes import make_cache

from hw3_browse.cache.reader import Cache
from hw3_browse.core.cli import main
from hw3_browse.core.figures import Style, sample_block, word_cells
from hw3_browse.tui.tiles import heads_of


def cache_of(folder: Path, maps: str, heads: int) -> Path:
    """A made-up cache whose plan says how its maps were made; "attention" is not said."""
    make_cache(folder, count=3, heads=heads)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    if maps != "attention":
        content["plan"]["maps"] = maps
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("maps", "heads", "said"),
    [
        ("attention", 3, "layer 2/2, mean of heads"),
        ("rollout", 3, "rollout, layer 2/2, mean of heads"),
        ("relevance", 1, "relevance, layer 2/2"),
    ],
)
async def test_the_status_line_names_other_maps_than_attention(
    tmp_path: Path, maps: str, heads: int, said: str
) -> None:
    with Cache.open(cache_of(tmp_path / "run", maps, heads)) as cache:
        async with running(cache) as (app, pilot):
            await press(app, pilot, "right")
            assert f"  {said}" in str(app.status.state)
            assert (", mean" in str(app.status.state)) == (heads > 1)
            title = app.runs.title
            assert title.endswith("3 pictures" if maps == "attention" else f"3 pictures · maps: {maps}")


async def test_one_head_is_shown_once_and_cannot_be_changed(tmp_path: Path) -> None:
    with Cache.open(cache_of(tmp_path / "run", "relevance", 1)) as cache:
        assert cache.manifest.attention is not None
        assert heads_of(cache.manifest.attention) == ["mean"]
        async with running(cache, size=(160, 50)) as (app, pilot):
            await press(app, pilot, "right", "right_curly_bracket")
            assert app.panels.head == "mean"
            await press(app, pilot, "A")
            assert len(app.board.tiles) == cache.manifest.attention.layers


@pytest.mark.parametrize(
    ("maps", "heads", "note"),
    [
        ("attention", 3, "cross-attention, layer 2 of 2, mean over 3 heads"),
        ("relevance", 1, "relevance, layer 2 of 2"),
    ],
)
def test_a_figure_names_its_maps(tmp_path: Path, maps: str, heads: int, note: str) -> None:
    with Cache.open(cache_of(tmp_path / "run", maps, heads)) as cache:
        block = sample_block(cache, 0, word_cells(cache.sample(0), [0, 1]), Style())
    assert block.note == note


def test_a_report_names_its_maps(tmp_path: Path) -> None:
    run = cache_of(tmp_path / "run", "relevance", 1)
    assert main(["report", str(run), "-o", str(tmp_path / "out"), "--tables-only"]) == 0
    text = next((tmp_path / "out").glob("*.md")).read_text()
    assert "relevance, 2 layers, 1 head, 4 x 5 patches" in text
