"""Attention inside true boxes: exact areas on made-up maps, and the figures of a hand-made cache."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes import make_cache
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.errors import DatasetError
from hw3_browse.cache.geometry import View
from hw3_browse.cache.reader import Cache
from hw3_browse.core.grounding import Boxes, coverage, grounding, read_boxes


def view(rows: int = 4, cols: int = 5) -> View:
    """A crop of 50 x 40 pixels in a picture of 100 x 60."""
    return View(
        width=100, height=60, box=(20.0, 10.0, 70.0, 50.0), rows=rows, cols=cols, input_width=50, input_height=40
    )


def test_a_box_of_one_patch_covers_that_patch() -> None:
    covered = coverage([(30, 20, 10, 10)], view()).reshape(4, 5)
    expected = np.zeros((4, 5))
    expected[1, 1] = 1
    np.testing.assert_allclose(covered, expected)


def test_half_a_patch_and_what_lies_outside_the_crop() -> None:
    covered = coverage([(0, 0, 25, 60)], view()).reshape(4, 5)
    np.testing.assert_allclose(covered[:, 0], 0.5)
    assert covered[:, 1:].sum() == 0
    assert coverage([(80, 0, 20, 60)], view()).sum() == 0


def test_overlapping_boxes_count_once() -> None:
    once = coverage([(30, 20, 20, 20)], view())
    np.testing.assert_allclose(coverage([(30, 20, 20, 20), (30, 20, 20, 20), (35, 25, 5, 5)], view()), once)


@given(
    x=st.integers(0, 90), y=st.integers(0, 50), width=st.integers(1, 40), height=st.integers(1, 40),
    rows=st.integers(1, 9), cols=st.integers(1, 9),
)  # fmt: skip
def test_the_covered_area_is_the_box_area_inside_the_crop(
    x: int, y: int, width: int, height: int, rows: int, cols: int
) -> None:
    across = max(0, min(x + width, 70) - max(x, 20))
    down = max(0, min(y + height, 50) - max(y, 10))
    patch = (50 / cols) * (40 / rows)
    assert coverage([(x, y, width, height)], view(rows, cols)).sum() * patch == pytest.approx(across * down, abs=1e-6)


def test_figures_of_a_cache_equal_a_direct_count(tmp_path: Path) -> None:
    with Cache.open(make_cache(tmp_path / "cache", count=4)) as cache:
        sample = cache.sample(0)
        word = sample.words[0]
        box = (0.0, 0.0, sample.view.width / 2, float(sample.view.height))
        found = grounding(cache, Boxes({word.lower(): frozenset({"thing"})}, {sample.name: {"thing": [box]}}))
        covered = coverage([box], sample.view)
        places = [place for place, other in enumerate(sample.words) if other.lower() == word.lower()]
        tokens = [[t for t, of in enumerate(sample.word_of_piece) if of == place] for place in places]
        for layer in range(2):
            expected = np.mean([cache.attention(0).word_map(pieces, layer).ravel() @ covered for pieces in tokens])
            assert found.mass_of_mean[layer] == pytest.approx(expected, rel=1e-4)
        assert found.words == len(places)
        assert found.chance == pytest.approx(covered.mean())
        assert found.mass.shape == (2, 3)


def test_boxes_of_another_dataset_are_refused(tmp_path: Path) -> None:
    with (
        Cache.open(make_cache(tmp_path / "cache", count=2)) as cache,
        pytest.raises(DatasetError, match="no caption names a thing"),
    ):
        grounding(cache, Boxes({"dog": frozenset({"dog"})}, {}))


def test_instances_are_read(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    data = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 2, "name": "fire truck"}, {"id": 3, "name": "dog", "words": ["dog", "puppy"]}],
    }
    path.write_text(json.dumps(data))
    boxes = read_boxes(path)
    assert boxes.of == {"a": {"fire truck": [(1.0, 2.0, 3.0, 4.0)]}}
    assert set(boxes.words) == {"truck", "trucks", "dog", "puppy"}


@pytest.mark.parametrize(
    "content", ["", "[]", '{"categories": []}', '{"images": 3, "annotations": 1, "categories": 2}']
)
def test_a_file_that_is_no_instances_file_has_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match="not a COCO instances file"):
        read_boxes(path)
