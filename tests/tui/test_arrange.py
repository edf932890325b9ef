"""Tiles: disjoint, inside, in reading order, as large as they can be; pages without an empty one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.tui.arrange import GAP, LEAST, Arrangement, Rect, arrange

PHOTO = (640, 480)
CELL = (10, 20)
Size = tuple[int, int]

counts = st.integers(1, 60)
areas = st.tuples(st.integers(1, 300), st.integers(1, 100))
shapes = st.tuples(st.integers(1, 2000), st.integers(1, 2000))
cells = st.sampled_from([(1, 2), (10, 20), (9, 17)])
groups = st.integers(1, 4)


def scale(arrangement: Arrangement, shape: Size, cell: Size) -> float:
    """How large a picture becomes: pixels on the screen for one of its own."""
    room = arrangement.picture(0)
    return min(room.columns * cell[0] / shape[0], room.lines * cell[1] / shape[1])


@given(counts, areas, shapes, cells, groups, st.integers(0, 2))
def test_places_are_disjoint_inside_and_in_reading_order(
    count: int, area: Size, shape: Size, cell: Size, group: int, labels: int
) -> None:
    found = arrange(count, area, shape, cell, label_lines=labels, groups=group)
    taken: set[Size] = set()
    for rect in found.rects:
        assert rect.x >= 0
        assert rect.y >= 0
        assert rect.x + rect.columns <= area[0] or not rect.columns
        assert rect.y + rect.lines <= area[1]
        own = {(x, y) for x in range(rect.x, rect.x + rect.columns) for y in range(rect.y, rect.y + rect.lines)}
        assert not taken & own
        taken |= own
    assert len({(rect.columns, rect.lines) for rect in found.rects}) == 1
    assert all((one.y, one.x) < (other.y, other.x) or not one.columns for one, other in pairwise(found.rects))


@given(counts, areas, shapes, groups)
def test_every_tile_is_on_one_page_and_no_page_is_empty(count: int, area: Size, shape: Size, group: int) -> None:
    found = arrange(count, area, shape, CELL, groups=group)
    pages = [found.tiles(page) for page in range(found.pages)]
    assert all(pages)
    assert [tile for page in pages for tile in page] == list(range(count))
    assert not found.tiles(found.pages)
    for page, tiles in enumerate(pages):
        for tile in tiles:
            assert found.page_of(tile) == page
            assert found.rect(tile) == found.rects[tile - tiles.start]


@given(counts, areas, groups)
def test_groups_share_a_row_of_a_page(count: int, area: Size, group: int) -> None:
    found = arrange(count, area, PHOTO, CELL, groups=group)
    for first in range(0, count, group):
        members = range(first, min(first + group, count))
        assert len({(found.page_of(tile), found.rect(tile).y) for tile in members}) == 1


@given(counts, areas, shapes)
def test_tiles_have_the_least_room_where_there_is_any(count: int, area: Size, shape: Size) -> None:
    found = arrange(count, area, shape, CELL)
    room = found.picture(0)
    if count > 1 and area[0] >= LEAST[0] and area[1] >= LEAST[1] + 1:
        assert room.columns >= LEAST[0]
        assert room.lines >= LEAST[1]
    else:
        assert found.per_page == 1 or room.columns >= LEAST[0] or room.lines >= LEAST[1]


@given(st.integers(2, 30), areas, shapes, cells)
def test_no_other_grid_makes_larger_pictures(count: int, area: Size, shape: Size, cell: Size) -> None:
    found = arrange(count, area, shape, cell)
    number = found.per_page
    for across in range(1, number + 1):
        down = -(-number // across)
        wide, high = (area[0] + GAP) // across - GAP, area[1] // down - 1
        if wide >= LEAST[0] and high >= LEAST[1]:
            assert min(wide * cell[0] / shape[0], high * cell[1] / shape[1]) <= scale(found, shape, cell)


@given(st.integers(2, 30), areas, st.tuples(st.integers(0, 40), st.integers(0, 20)), shapes)
def test_more_room_means_fewer_pages_or_larger_pictures(count: int, area: Size, more: Size, shape: Size) -> None:
    found = arrange(count, area, shape, CELL)
    roomier = arrange(count, (area[0] + more[0], area[1] + more[1]), shape, CELL)
    assert roomier.pages <= found.pages
    if roomier.pages == found.pages:
        assert scale(roomier, shape, CELL) >= scale(found, shape, CELL)


@given(st.integers(1, 30), shapes)
def test_one_tile_more_never_makes_pictures_of_one_page_larger(count: int, shape: Size) -> None:
    area = (300, 100)
    fewer, more = arrange(count, area, shape, CELL), arrange(count + 1, area, shape, CELL)
    assert fewer.pages == more.pages == 1
    assert scale(more, shape, CELL) <= scale(fewer, shape, CELL)


@given(counts, areas, shapes, st.integers(0, 300), st.integers(0, 100))
def test_a_click_finds_the_tile_under_it(count: int, area: Size, shape: Size, x: int, y: int) -> None:
    found = arrange(count, area, shape, CELL)
    for page in range(found.pages):
        tile = found.tile_at(x, y, page)
        under = [tile for tile in found.tiles(page) if found.rect(tile).contains(x, y)]
        assert under == ([] if tile is None else [tile])


def test_one_panel_takes_everything_and_needs_no_label() -> None:
    found = arrange(1, (80, 24), PHOTO, CELL)
    assert found.rects == (Rect(0, 0, 80, 24),)
    assert found.picture(0) == Rect(0, 0, 80, 24)
    assert found.pages == 1


def test_no_panel() -> None:
    found = arrange(0, (80, 24), PHOTO, CELL)
    assert (found.rects, found.pages, found.tile_at(0, 0)) == ((), 0, None)
    with pytest.raises(IndexError, match="no tile 0 among 0"):
        found.rect(0)


def test_labels_stand_over_pictures() -> None:
    found = arrange(4, (80, 40), PHOTO, CELL)
    assert found.across == 2
    assert found.rects[3] == Rect(40, 20, 39, 20)
    assert found.picture(3) == Rect(40, 21, 39, 19)


@pytest.mark.parametrize(
    ("count", "area", "shape", "across", "pages"),
    [
        (2, (160, 40), PHOTO, 2, 1),  # side by side on a wide screen
        (2, (60, 50), PHOTO, 1, 1),  # one over the other on a tall one
        (2, (80, 40), (1000, 100), 1, 1),  # flat pictures stack
        (2, (80, 60), (100, 1000), 2, 1),  # thin ones stand side by side
        (12, (120, 40), PHOTO, 4, 1),
        (40, (80, 24), PHOTO, 5, 3),
    ],
)
def test_known_screens(count: int, area: Size, shape: Size, across: int, pages: int) -> None:
    found = arrange(count, area, shape, CELL)
    assert (found.across, found.pages) == (across, pages)


def test_pages_are_about_equally_full() -> None:
    found = arrange(20, (80, 24), PHOTO, CELL)
    assert [len(found.tiles(page)) for page in range(found.pages)] == [10, 10]


def test_pairs_stay_together_on_a_narrow_screen_too() -> None:
    found = arrange(6, (20, 60), PHOTO, CELL, groups=2)
    assert found.across == 2
    assert [rect.columns for rect in found.rects] == [9] * 6
