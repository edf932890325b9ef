"""Files of captions: both forms, and one line for whatever does not fit the pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache.errors import DatasetError
from hw3_browse.core.datasets import Dataset, Item, Skipped
from hw3_browse.core.predictions import match, read_predictions, write_predictions

ITEMS = (
    Item(0, 70, "000000179758", "000000179758.jpg", ()),
    Item(1, 69, "36979", "sub/36979.png", ()),
    Item(2, 68, "a.b", "a.b.jpg", ()),
)
CAPTIONS = ("a man riding a bike .", "two dogs", "")


def matched(tmp_path: Path, data: Any, items: Any = ITEMS, *, partial: bool = False) -> tuple[str, ...]:
    path = tmp_path / "out.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    found = match(read_predictions(path), items, partial=partial)
    assert [item.index for item in found.items] == sorted(item.index for item in found.items)
    assert len(found.items) == len(found.captions)
    assert all(note.isprintable() for note in found.notes)
    return found.captions if not partial else (*found.captions, *found.notes)


def refused(tmp_path: Path, data: Any, items: Any = ITEMS) -> str:
    with pytest.raises(DatasetError) as caught:
        matched(tmp_path, data, items)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        ("000000179758", "36979", "a.b"),
        ("000000179758.jpg", "36979.png", "a.b.jpg"),
        ("000000179758.jpg", "sub/36979.png", "a.b"),
        ("000000179758", "sub/36979", "a.b"),
    ],
)
def test_pictures_by_name(tmp_path: Path, keys: tuple[str, ...]) -> None:
    assert matched(tmp_path, dict(reversed(list(zip(keys, CAPTIONS, strict=True))))) == CAPTIONS


@pytest.mark.parametrize("keys", [(70, 69, 68), (70, "36979", "a.b.jpg")])
def test_coco_results(tmp_path: Path, keys: tuple[Any, ...]) -> None:
    rows = [{"image_id": key, "caption": text, "id": 1} for key, text in zip(keys, CAPTIONS, strict=True)]
    assert matched(tmp_path, rows[::-1]) == CAPTIONS


@pytest.mark.parametrize("form", ["names", "coco"])
def test_what_is_written_is_read(tmp_path: Path, form: Any) -> None:
    path = tmp_path / "new" / "out.json"
    texts = ("ein Mädchen", 'a "sign"\nthat reads', "\ud83d")
    write_predictions(path, ITEMS, texts, form)
    assert match(read_predictions(path), ITEMS).captions == (*texts[:2], "?")
    if form == "names":
        assert list(json.loads(path.read_text("utf-8"))) == ["000000179758", "36979", "a.b"]
    assert [entry.name for entry in path.parent.iterdir()] == ["out.json"]


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), min_size=1, max_size=5))
def test_any_names_survive(tmp_path_factory: pytest.TempPathFactory, captions: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("any") / "out.json"
    items = [Item(place, None, name, f"{place}/x.jpg", ()) for place, name in enumerate(captions)]
    write_predictions(path, items, list(captions.values()))
    written = read_predictions(path)
    safe = [text.encode("utf-8", "replace").decode() for text in captions.values()]
    assert list(written.captions.values()) == safe


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match=r"cannot write .*out\.json"):
        write_predictions(tmp_path / "file" / "out.json", ITEMS, CAPTIONS)


def test_misspelt_missing_and_doubled_names(tmp_path: Path) -> None:
    named = dict(zip(("000000179758", "36979", "a.b"), CAPTIONS, strict=True))
    line = refused(tmp_path, {**named, "00000179758": "x", "36979.jpg": "y"})
    assert line.endswith(
        "does not fit the pictures: 2 of its captions are of no picture (00000179758, 36979.jpg; "
        "did you mean 000000179758?)"
    )
    assert refused(tmp_path, {"36979": "x"}).endswith("2 of 3 pictures have no caption (000000179758, a.b)")
    assert refused(tmp_path, {"nobody": "x"}).endswith("3 of 3 pictures have no caption (000000179758, 36979, a.b)")
    doubled = refused(tmp_path, {**named, "36979.png": "x"})
    assert doubled.endswith("has two captions of 36979, with and without extension")
    rows = [{"image_id": 70, "caption": "x"}] * 2 + [{"image_id": 69, "caption": "x"}]
    assert refused(tmp_path, rows).endswith("has more than one caption of 70")
    path = tmp_path / "twice.json"
    path.write_text('{"a": "x", "b": "y", "a": "z"}')
    with pytest.raises(DatasetError, match=r"more than one caption of a$"):
        read_predictions(path)


def test_a_part_of_a_dataset_is_scored_with_remarks(tmp_path: Path) -> None:
    found = matched(tmp_path, {"36979": "x", "other": "y"}, partial=True)
    assert found == (
        "x",
        "2 of 3 pictures have no caption and count nowhere: 000000179758, a.b",
        "1 of 2 captions are of no picture and count nowhere: other",
    )
    with pytest.raises(DatasetError, match="does not fit"):  # nothing to score at all
        matched(tmp_path, {"other": "y"}, partial=True)


def test_captions_of_pictures_that_were_left_out_are_left_out(tmp_path: Path) -> None:
    skipped = (Skipped("sub/broken.jpg", "cut short", 5), Skipped("gone.jpg", "does not exist"))
    dataset = Dataset(tmp_path, ITEMS, None, "name", "f", skipped)
    named = dict(zip(("000000179758", "36979", "a.b"), CAPTIONS, strict=True))
    assert matched(tmp_path, {**named, "broken": "x", "gone.jpg": "y"}, dataset) == CAPTIONS
    rows = [{"image_id": key, "caption": text} for key, text in zip((70, 69, 68, 5), (*CAPTIONS, "x"), strict=True)]
    assert matched(tmp_path, rows, dataset) == CAPTIONS
    assert "1 of its captions" in refused(tmp_path, {**named, "brokeN": "x"}, dataset)


def test_ids_need_annotations(tmp_path: Path) -> None:
    items = [Item(0, None, "a", "a.jpg", ())]
    line = refused(tmp_path, [{"image_id": 5, "caption": "x"}], items)
    assert line.endswith("calls pictures by image_id, and this dataset has no ids: give annotations that have")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["image_id", "caption", "a", "images"]) | st.text(max_size=3), inner)
        ),
        max_leaves=8,
    )
)
def test_any_json_gives_captions_or_one_line(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.mktemp("any") / "out.json"
    path.write_text(json.dumps(data))
    try:
        outcome = f"{len(read_predictions(path))} captions"
    except DatasetError as error:
        outcome = str(error)
    assert outcome.isprintable()
    assert outcome != "0 captions"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", "has no captions: it is empty"),
        ("[]", "has no captions: it is empty"),
        ("5", "has no captions: expected"),
        ('{"images": [], "annotations": []}', "has no captions: expected"),
        ('{"a": 5}', "'a' of .*: expected a caption, found 5"),
        ("[5]", "entry 0 of .*: expected an object, found 5"),
        ('[{"caption": "x"}]', 'entry 0 of .*: expected an "image_id", found None'),
        ('[{"image_id": 1}]', "entry 0 of .*: expected a caption, found None"),
        ('{"a": "x"', "is not valid json: Expecting ',' delimiter at line 1, column 10"),
        ("[" * 100_000, "is not a json of captions"),
        ("\xff", "is not UTF-8 text: byte 0"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "out.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError) as caught:
        read_predictions(path)
    for part in line.split(".*"):
        assert part in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="do not exist"):
        read_predictions(tmp_path / "none.json")
    with pytest.raises(DatasetError, match="cannot read the predictions"):
        read_predictions(tmp_path)
