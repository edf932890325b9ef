"""Where classes come from, and which picture is of which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hw3_browse.cache.errors import DatasetError, UsageError
from hw3_browse.cache.zeroshot import Label
from hw3_browse.core.datasets import Dataset, open_folders
from hw3_browse.core.zeroshot.labels import find_truth, read_labels

LABELS = (Label("0", "bicycle"), Label("1", "teddy bear"), Label("10", "apple"), Label("a_b", "kite"))


def write(folder: Path, *paths: str) -> Dataset:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / path)
    return open_folders(folder)


def classes(dataset: Dataset, how: str = "auto") -> dict[str, int]:
    truth, _ = find_truth(dataset, LABELS, how)  # type: ignore[arg-type]
    return {item.path: label for item, label in zip(dataset, truth.tolist(), strict=True)}


# Labels


def test_the_assignment_s_json(tmp_path: Path) -> None:
    file = tmp_path / "id2label.json"
    file.write_text(json.dumps({"2": "apple", "0": "bicycle"}))
    assert read_labels(file) == (Label("2", "apple"), Label("0", "bicycle"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.json", '["bicycle", "teddy bear"]'),
        ("labels.txt", "bicycle\n\n teddy bear \n"),
        ("labels.csv", "bicycle\nteddy bear\n"),
        ("labels.csv", "0,bicycle\n1,teddy bear\n"),
        ("labels.csv", "Name,id\nbicycle,0\nteddy bear,1\n"),
        ("labels.csv", 'label\n"bicycle"\n"teddy bear"\n'),
        ("labels.tsv", "class_id\tclass_name\textra\n0\tbicycle\tx\n1\tteddy bear\ty\n"),
    ],
)
def test_other_lists(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_labels(tmp_path / name) == (Label("0", "bicycle"), Label("1", "teddy bear"))


def test_folder_names(tmp_path: Path) -> None:
    write(tmp_path, "teddy_bear/1.png", "apple/1.png")
    (tmp_path / ".cache").mkdir()
    assert read_labels(tmp_path) == (Label("apple", "apple"), Label("teddy_bear", "teddy bear"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.json", b"{", "is not valid json"),
        ("l.json", b'{"0": "a", "0": "b"}', "'0' is there twice"),
        ("l.json", b'{"0": 5}', "expected"),
        ("l.json", b"5", "expected"),
        ("l.json", b"{}", "has no classes"),
        ("l.json", b'{"0": " "}', "'0' has no name"),
        ("l.json", b"[" * 100_000, "not a json of labels"),
        ("l.txt", b"\xff", "is not UTF-8"),
        ("l.csv", b"id,name\n0\n", "row 1 has fewer columns"),
        ("l.csv", b"0,a\n0,b\n", "'0' is there twice"),
        ("l.csv", b'"a', "is no CSV"),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=r"^[^\n]+$") as caught:
        read_labels(tmp_path / name)
    assert message in str(caught.value)


def test_no_lists(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="do not exist"):
        read_labels(tmp_path / "none.json")
    with pytest.raises(DatasetError, match="has no sub-folders"):
        read_labels(tmp_path)


@given(st.binary(max_size=60), st.sampled_from(["json", "txt", "csv"]))
def test_any_bytes_are_labels_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str) -> None:
    file = tmp_path_factory.mktemp("labels") / f"l.{kind}"
    file.write_bytes(content)
    try:
        labels = read_labels(file)
    except DatasetError as error:
        assert "\n" not in str(error)  # noqa: PT017 (some bytes are labels)
    else:
        assert len({label.id for label in labels}) == len(labels) > 0


# Pictures


def test_pictures_of_class_folders(tmp_path: Path) -> None:
    dataset = write(tmp_path, "b/1.png", "a/1.png", "a/deep/2.png")
    assert [item.path for item in dataset] == ["a/1.png", "b/1.png"]
    assert [item.index for item in dataset] == [0, 1]


def test_folders_beside_pictures_are_not_entered(tmp_path: Path) -> None:
    dataset = write(tmp_path, "x.png", "x.jpg", "thumbs/y.png")
    assert [item.path for item in dataset] == ["x.jpg", "x.png"]  # names may repeat: the CSV has the extension


def test_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no pictures .* or its sub-folders"):
        open_folders(tmp_path)
    with pytest.raises(DatasetError, match="does not exist"):
        open_folders(tmp_path / "nothing")


# Truth


def test_file_names_begin_with_the_id(tmp_path: Path) -> None:
    dataset = write(tmp_path, "0_450.png", "10_1.png", "1_2_3.png", "a_b_7.png")
    assert classes(dataset) == {"0_450.png": 0, "10_1.png": 2, "1_2_3.png": 1, "a_b_7.png": 3}
    assert find_truth(dataset, LABELS)[1] == []


def test_arbitrary_names_have_no_class(tmp_path: Path) -> None:
    dataset = write(tmp_path, "cat_2.png", "0.png", "_1.png", "01_1.png")
    assert set(classes(dataset).values()) == {-1}
    assert find_truth(dataset, LABELS)[1] == []


def test_a_few_names_that_fit_by_chance_are_not_believed(tmp_path: Path) -> None:
    dataset = write(tmp_path, "0_1.png", "1_cat.png", "holiday.png")
    truth, notes = find_truth(dataset, LABELS)
    assert set(truth.tolist()) == {-1}
    assert notes == [
        "only 2 of 3 file names begin with a class id and _, so none is believed; --truth name takes those"
    ]
    assert classes(dataset, "name") == {"0_1.png": 0, "1_cat.png": 1, "holiday.png": -1}
    assert "1 of 3 pictures have a name" in find_truth(dataset, LABELS, "name")[1][0]


def test_folders_are_called_by_id_or_name(tmp_path: Path) -> None:
    dataset = write(tmp_path, "Teddy_Bear/0_1.png", "10/2.png", "other/3.png")
    assert classes(dataset) == {"Teddy_Bear/0_1.png": 1, "10/2.png": 2, "other/3.png": -1}
    assert "1 of 3 pictures are in no folder" in find_truth(dataset, LABELS)[1][0]


def test_none_is_none(tmp_path: Path) -> None:
    dataset = write(tmp_path, "0_1.png")
    assert classes(dataset, "none") == {"0_1.png": -1}
    for how in ("folder", "name"):
        with pytest.raises(UsageError, match=f"--truth {how}: no picture of"):
            find_truth(write(tmp_path / "other", "x.png"), LABELS, how)  # type: ignore[arg-type]
