"""Parquet tables with pictures in them become a folder that is a dataset like any other."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hw3_browse.cache.errors import DatasetError
from hw3_browse.core.cli import main
from hw3_browse.core.datasets import Columns, load_image, open_dataset
from hw3_browse.core.datasets.unpacking import unpack

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(colour: int, kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 4), (colour, 20, 30)).save(stream, kind)
    return stream.getvalue()


def table(path: Path, images: list[Any], captions: list[Any], kind: Any = STRUCT, **further: list[Any]) -> Path:
    pq.write_table(pa.table({"image": pa.array(images, kind), "caption": captions, **further}), path)
    return path


def test_pictures_and_captions_come_out_as_they_went_in(tmp_path: Path) -> None:
    jpeg, png = picture(1), picture(200, "PNG")
    first = table(
        tmp_path / "train-00000-of-00002.parquet",
        [{"bytes": jpeg, "path": "deep/a dog.jpg"}, {"bytes": png, "path": None}],
        [["one", "two"], ["three"]],
    )
    second = table(tmp_path / "test-00000.parquet", [{"bytes": picture(90), "path": "../../evil.png"}], [["four"]])
    assert main(["unpack", str(first), str(second), "--out", str(tmp_path / "out")]) == 0
    dataset = open_dataset(tmp_path / "out" / "images", tmp_path / "out" / "captions.jsonl")
    assert [(item.path, item.references) for item in dataset] == [
        ("a dog.jpg", ("one", "two")), ("00000001.png", ("three",)), ("evil.jpg", ("four",)),
    ]  # fmt: skip
    assert dataset.file(dataset.items[0]).read_bytes() == jpeg
    assert load_image(dataset.file(dataset.items[1])).getpixel((0, 0)) == (200, 20, 30)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out", "test-00000.parquet", "train-00000-of-00002.parquet",
    ]  # fmt: skip
    test = open_dataset(tmp_path / "out" / "images", tmp_path / "out" / "captions.jsonl", split="test")
    assert [item.path for item in test] == ["evil.jpg"]


def test_rows_of_a_picture_belong_together_and_names_are_told_apart(tmp_path: Path) -> None:
    path = table(
        tmp_path / "t.parquet",
        [picture(1), picture(1), picture(50)],
        ["one", "two", "other"],
        pa.binary(),
        filename=["x.jpg", "x.jpg", "x.jpeg"],
        split=["val", "val", "test"],
    )
    assert unpack([path], tmp_path / "out", Columns()) == []
    lines = [json.loads(line) for line in (tmp_path / "out" / "captions.jsonl").read_text().splitlines()]
    assert lines == [
        {"file_name": "x.jpg", "captions": ["one", "two"], "split": "val"},
        {"file_name": "x-00000001.jpg", "captions": ["other"], "split": "test"},
    ]


def test_what_is_no_picture_ends_it_or_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "t.parquet", [picture(1), b"not a picture", None], ["a", "b", "c"], pa.binary())
    command = ["unpack", str(path), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "row 2 of" in capsys.readouterr().err
    assert not (tmp_path / "out" / "captions.jsonl").exists()  # unfinished, and the same command goes on
    assert main([*command, "--broken", "skip"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.startswith("left out: row ") for line in said] == [True, True, False]
    assert len((tmp_path / "out" / "captions.jsonl").read_text().splitlines()) == 1
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err


def test_files_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    names = table(tmp_path / "names.parquet", ["a.jpg"], ["a"], pa.string())
    two = table(tmp_path / "two.parquet", [picture(1)], ["a"], pa.binary(), thumbnail=[picture(2)])
    captions = table(tmp_path / "captions.parquet", [picture(1)], [5], pa.binary())
    for path, wanted in (
        (tmp_path / "absent.parquet", "does not exist"),
        (tmp_path / "bad.parquet", "no readable Parquet"),
        (names, "a column with pictures in it, found none"),
        (two, "found image, thumbnail: --columns image=HEAD"),
        (captions, "row 1 of .*expected a caption or a list of captions"),
    ):
        with pytest.raises(DatasetError, match=wanted):
            unpack([path], tmp_path / "out", Columns())
    assert unpack([two], tmp_path / "out", Columns(image="thumbnail")) == []


def test_a_table_with_pictures_is_said_to_need_unpacking(tmp_path: Path) -> None:
    path = table(tmp_path / "t.parquet", [picture(1)], ["a"], pa.binary())
    with pytest.raises(DatasetError, match="hw3 unpack"):
        open_dataset(tmp_path, path)


@settings(max_examples=30, deadline=None)
@given(names=st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_no_name_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("unpacked")
    images = [picture(place * 20) for place in range(len(names))]
    clean = [name.encode("utf-8", "replace").decode() for name in names]
    path = table(folder / "t.parquet", images, ["c"] * len(names), pa.binary(), filename=clean)
    unpack([path], folder / "out", Columns())
    dataset = open_dataset(folder / "out" / "images", folder / "out" / "captions.jsonl")
    assert [dataset.file(item).read_bytes() for item in dataset] == images
    assert {path.name for path in folder.iterdir()} == {"t.parquet", "out"}
