"""What `docs/datasets.md` shows can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw3_browse.core.datasets import open_references
from hw3_browse.core.datasets.columns import _CAPTIONS, IMAGES

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```(?:json)?\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 8


@pytest.mark.parametrize("number", range(8))
def test_examples(tmp_path: Path, number: int) -> None:
    (tmp_path / "example").write_text(EXAMPLES[number], encoding="utf-8")
    dataset = open_references(tmp_path / "example")
    captions = [caption for item in dataset for caption in item.references]
    assert 1 <= len(dataset) <= 2
    assert all(item.references for item in dataset)
    assert all(caption[0].isalpha() and len(caption) > 4 for caption in captions)


def test_all_heads_are_named() -> None:
    (names, captions) = re.findall(r"the first of (.+?)(?:that is there|\.\s)", PAGE, re.DOTALL)
    assert re.findall(r"`(\w+)`", names) == list(IMAGES)
    assert re.findall(r"`(\w+)`", captions) == list(_CAPTIONS)
