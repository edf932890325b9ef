"""What the board shows for what is selected: a pure plan, without a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes import make_cache
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.reader import Cache
from hw3_browse.tui.tiles import Focus, Wanted, plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hw3_browse.cache.schema import AttentionShape, Sample

WORDS = ("a man riding a skateboard under a red umbrella",)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sample, AttentionShape]]:
    folder: Path = make_cache(tmp_path_factory.mktemp("tiles") / "run", count=1, words=WORDS)
    with Cache.open(folder) as cache:
        yield cache.sample(0), cache.manifest.attention


def wish(**changes: object) -> Wanted:
    plain = Wanted(
        index=0,
        rows=(0,),
        run=0,
        titles=("run",),
        focus=Focus(None, 1, "mean"),
        pins=(),
        by_pieces=False,
        map_shown=True,
        sheet="",
        area=(90, 40),
        cell=(1, 2),
        colormap="jet",
        opacity=0.5,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_one_picture_fills_the_board(run: tuple[Sample, AttentionShape]) -> None:
    sample, shape = run
    (tile,) = plan(wish(), [sample], [shape]).tiles
    assert tile.label == ""
    assert tile.request.tokens == ()
    assert tile.request.cells == (90, 40)


def test_a_hidden_map_is_the_plain_picture_whatever_layer(run: tuple[Sample, AttentionShape]) -> None:
    """So that it is made once."""
    sample, shape = run
    hidden = wish(focus=Focus(2, 0, "max"), map_shown=False)
    (tile,) = plan(hidden, [sample], [shape]).tiles
    (plain,) = plan(wish(), [sample], [shape]).tiles
    assert tile.request == plain.request


def test_a_word_beyond_the_last_is_the_last(run: tuple[Sample, AttentionShape]) -> None:
    sample, shape = run
    (tile,) = plan(wish(focus=Focus(99, 1, "mean")), [sample], [shape]).tiles
    assert tile.focus.unit == len(sample.words) - 1


def test_pins_stay_in_order_and_the_selected_one_is_added(run: tuple[Sample, AttentionShape]) -> None:
    sample, shape = run
    pins = Focus(4, 0, 1), Focus(1, 1, "mean")
    tiles = plan(wish(pins=pins, focus=Focus(4, 1, "max")), [sample], [shape]).tiles
    assert [tile.focus for tile in tiles] == [*pins, Focus(4, 1, "max")]
    assert [tile.label for tile in tiles] == ["skateboard L1 h2", "man L2 mean", "skateboard L2 max"]
    assert [tile.selected for tile in tiles] == [False, False, True]
    tiles = plan(wish(pins=pins, focus=pins[0]), [sample], [shape]).tiles
    assert [tile.selected for tile in tiles] == [True, False]


def test_another_run_shows_the_word_that_stands_for_it(run: tuple[Sample, AttentionShape]) -> None:
    sample, shape = run
    words = "the", "man", "on", "a", "horse"
    other = replace(
        sample,
        caption=" ".join(words),
        words=words,
        pieces=words,
        token_ids=tuple(range(5)),
        logprobs=(-0.1,) * 5,
        word_of_piece=tuple(range(5)),
    )
    small = replace(shape, layers=1, heads=1)
    both = {"rows": (0, 0), "titles": ("one", "other")}
    tiles = plan(wish(focus=Focus(1, 1, 2), **both), [sample, other], [shape, small]).tiles
    assert [tile.label for tile in tiles] == ["one: man", "other: man"]
    assert tiles[1].request.tokens == (1,)
    assert (tiles[1].request.layer, tiles[1].request.head) == (0, 0)  # as many as that run has
    sheet = plan(wish(focus=Focus(1, 1, 2), sheet="words", **both), [sample, other], [shape, small])
    assert {tile.run for tile in sheet.tiles} == {0}


@given(
    st.sampled_from(["", "words", "heads"]),
    st.one_of(st.none(), st.integers(0, 20)),
    st.integers(1, 320),
    st.integers(1, 120),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1), st.sampled_from(["mean", "max", 0, 1, 2])), max_size=9),
)
def test_any_plan_fits_the_board(
    run: tuple[Sample, AttentionShape],
    sheet: str,
    unit: int | None,
    columns: int,
    lines: int,
    pins: list[tuple[int, int, object]],
) -> None:
    sample, shape = run
    pinned = tuple(dict.fromkeys(Focus(*pin) for pin in pins))  # type: ignore[arg-type]
    wanted = wish(sheet=sheet, focus=Focus(unit, 1, "mean"), area=(columns, lines), pins=pinned)
    board = plan(wanted, [sample], [shape])
    assert sum(tile.selected for tile in board.tiles) == 1
    assert 0 <= board.page < board.pages
    for tile in board.tiles:
        rect = tile.rect
        assert 0 <= rect.x <= rect.x + rect.columns <= columns
        assert 0 <= rect.y <= rect.y + rect.lines <= lines
        assert min(tile.request.cells) >= 1
