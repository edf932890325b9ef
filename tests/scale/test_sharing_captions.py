"""`hw3 caption` by several processes: one file, that of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import tiny_captioner, write_dataset

from hw3_browse.cache.errors import DatasetError
from hw3_browse.core import captioning
from hw3_browse.core.captioners import CaptionModel, open_captioner
from hw3_browse.core.captioning import Options, write_captions
from hw3_browse.core.datasets import Dataset, open_dataset
from hw3_browse.core.distributed import World

COUNT = 11


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(write_dataset(tmp_path_factory.mktemp("data"), COUNT)[0])


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> CaptionModel:
    folder = tmp_path_factory.mktemp("model") / "captioner"
    tiny_captioner().save(folder)
    return open_captioner(folder, torch.device("cpu"))


@pytest.fixture(scope="module")
def alone(dataset: Dataset, captioner: CaptionModel, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("alone") / "captions.json"
    write_captions(dataset, captioner, out, Options(batch=2, world=World()))
    return out.read_bytes()


@pytest.mark.parametrize(("size", "batch"), [(2, 2), (7, 2), (3, "auto")])
def test_the_file_of_several_is_that_of_one(
    dataset: Dataset, captioner: CaptionModel, tmp_path: Path, alone: bytes, size: int, batch: Any
) -> None:
    out = tmp_path / "captions.json"
    for rank in reversed(range(size)):
        write_captions(dataset, captioner, out, Options(batch=batch, world=World(rank, size)))
        assert out.exists() == (rank == 0)
    assert out.read_bytes() == alone
    assert list(tmp_path.iterdir()) == [out]


def test_what_a_lost_process_left_is_done_by_the_first(
    dataset: Dataset, captioner: CaptionModel, tmp_path: Path, alone: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loaded = captioning.load_image, []

    def broken(path: Path) -> Any:
        loaded.append(path.stem)
        if path.stem == "000007":
            raise DatasetError("the drive is gone")
        return load(path)

    out = tmp_path / "captions.json"
    with monkeypatch.context() as patch:
        patch.setattr(captioning, "load_image", broken)
        with pytest.raises(DatasetError, match="drive"):
            write_captions(dataset, captioner, out, Options(batch=2, workers=1, world=World(1, 2)))
    assert loaded[:3] == ["000002", "000003", "000006"]
    write_captions(dataset, captioner, out, Options(batch=2, world=World(0, 2), silence=0.1))
    assert out.read_bytes() == alone
    assert list(tmp_path.iterdir()) == [out]
