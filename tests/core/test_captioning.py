"""`hw3 caption`: the captions that the model writes, into a file, whatever interrupts the work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import tiny_captioner, write_dataset

from hw3_browse.cache.errors import DatasetError
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.captioners import CaptionModel, open_captioner
from hw3_browse.core.captioning import Options, write_captions
from hw3_browse.core.cli import main
from hw3_browse.core.datasets import Dataset, load_image, open_dataset
from hw3_browse.core.decoding import Decoding, decode

COUNT = 7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset and a captioner."""
    folder = tmp_path_factory.mktemp("world")
    write_dataset(folder, COUNT)
    tiny_captioner().save(folder / "captioner")
    return folder


class Watched:
    """A captioner that counts the pictures it gets, and stops after some batches."""

    def __init__(self, inner: CaptionModel, batches: int = 99) -> None:
        self._inner, self._left = inner, batches
        self.keys: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, inputs: np.ndarray, decoding: Decoding, *, look: bool = True, keys: Sequence[str] = ()) -> Any:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        assert not look
        self.keys += keys
        return self._inner.write(inputs, decoding, look=look, keys=keys)


@pytest.fixture(scope="module")
def captioner(world: Path) -> CaptionModel:
    return open_captioner(str(world / "captioner"), torch.device("cpu"))


@pytest.fixture
def dataset(world: Path) -> Dataset:
    return open_dataset(world / "images", world / "captions.json")


def command(world: Path, out: Path, *options: str) -> int:
    return main(["caption", str(world / "images"), str(out), "--device", "cpu", "--workers", "1", *options])


def test_the_file_says_what_the_model_says(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.json"
    assert command(world, out, "--captioner", str(world / "captioner"), "--batch", "2", "--beams", "2") == 0
    captioner = Captioner.load(world / "captioner")
    wanted = {}
    for path in sorted((world / "images").iterdir()):
        memory = captioner.encode(captioner.preprocess(load_image(path))[None])
        best = decode(captioner, memory, Decoding(beams=2))[0][0]
        wanted[path.stem] = captioner.tokenizer.decode(best.token_ids).text
    assert json.loads(out.read_text("utf-8")) == wanted
    assert list(wanted) == [f"{number:06d}" for number in range(COUNT)]
    assert [entry.name for entry in out.parent.iterdir()] == ["out.json"]


def test_coco_results_of_listed_pictures(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW3_CAPTIONER", str(world / "captioner"))
    data = json.loads((world / "captions.json").read_text())
    data["images"] = [{**image, "id": image["id"] + 100} for image in data["images"][:3]]
    data["annotations"] = []
    (tmp_path / "some.json").write_text(json.dumps(data))
    options = ("--annotations", str(tmp_path / "some.json"), "--format", "coco")
    assert command(world, tmp_path / "coco.json", *options) == 0
    assert command(world, tmp_path / "names.json") == 0
    names = json.loads((tmp_path / "names.json").read_text())
    rows = json.loads((tmp_path / "coco.json").read_text())
    assert rows == [{"image_id": 100 + number, "caption": names[f"{number:06d}"]} for number in range(3)]


@pytest.mark.parametrize("torn", [b"", b'{"index": 4, "capt', b'{"index": "x", "caption": 5}\n{}\n[]\n\xff\n'])
def test_what_was_interrupted_goes_on(dataset: Dataset, captioner: CaptionModel, tmp_path: Path, torn: bytes) -> None:
    whole, out, options = tmp_path / "whole.json", tmp_path / "out.json", Options(batch=2, workers=1)
    write_captions(dataset, captioner, whole, options)
    with pytest.raises(KeyboardInterrupt):
        write_captions(dataset, Watched(captioner, batches=2), out, options)
    assert not out.exists()
    (part,) = tmp_path.glob("out.json.*.part")
    with part.open("ab") as file:
        file.write(torn)
    rest = Watched(captioner)
    write_captions(dataset, rest, out, Options(batch=3, workers=1))  # the batch is no part of the plan
    assert rest.keys == [item.path for item in dataset.items[4:]]
    assert out.read_bytes() == whole.read_bytes()
    assert not part.exists()


def test_another_search_begins_anew(dataset: Dataset, captioner: CaptionModel, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    with pytest.raises(KeyboardInterrupt):
        write_captions(dataset, Watched(captioner, batches=1), out, Options(batch=2))
    other = Watched(captioner)
    write_captions(dataset, other, out, Options(decoding=Decoding(beams=2), batch=2))
    assert len(other.keys) == COUNT
    assert len(list(tmp_path.glob("*.part"))) == 1  # the first run's, which can still go on


def test_a_broken_picture_ends_the_work_or_is_left_out(
    world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path, 4)
    (tmp_path / "images" / "000002.png").write_text("no picture")
    out = tmp_path / "out.json"
    options = ("--captioner", str(world / "captioner"), "--batch", "1")
    assert command(tmp_path, out, *options) == 2
    assert "000002.png is not a PNG" in capfd.readouterr().err
    assert not out.exists()
    assert command(tmp_path, out, *options, "--broken", "skip") == 0
    assert list(json.loads(out.read_text())) == ["000000", "000001", "000003"]
    printed = capfd.readouterr().out
    assert printed.startswith("3 captions: ")
    (tmp_path / "images" / "000001.png").unlink()
    assert command(tmp_path, out, *options, "--annotations", str(tmp_path / "captions.json")) == 2
    line = capfd.readouterr().err
    assert line.endswith("belongs to the annotations? If so, --broken skip leaves them out\n")
    assert "note: 1 of 4 pictures are left out of everything: 000002.png (not a PNG" in printed


@pytest.mark.parametrize("place", ["folder", "file/out.json"])
def test_a_file_that_cannot_be_written_is_found_at_once(
    dataset: Dataset, world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert command(world, tmp_path / place, "--captioner", str(world / "captioner")) == 2
    error = capfd.readouterr().err
    assert "is a folder" in error or "cannot write" in error


def test_no_captioner_is_one_line(
    world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HW3_CAPTIONER", raising=False)
    assert command(world, tmp_path / "out.json") == 2
    assert capfd.readouterr().err == (
        "hw3 caption: which captioner? Give --captioner FOLDER (from `hw3 train`), or set HW3_CAPTIONER to one\n"
    )


def test_nothing_is_left_behind_where_nothing_was_done(
    dataset: Dataset, captioner: CaptionModel, tmp_path: Path
) -> None:
    class Failing(Watched):
        def input(self, image: object) -> np.ndarray:
            raise DatasetError("too thin")

    with pytest.raises(DatasetError, match="too thin"):
        write_captions(dataset, Failing(captioner), tmp_path / "out.json", Options(workers=1))
    assert list(tmp_path.iterdir()) == []
