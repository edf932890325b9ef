"""A checkpoint of ours behind the protocol: the same captions, and plans that old unfinished caches still have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import tiny_captioner, write_dataset

from hw3_browse.cache.errors import CheckpointError
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.captioners import OwnCaptioner, open_captioner
from hw3_browse.core.datasets import load_image, open_dataset
from hw3_browse.core.decoding import Decoding, decode
from hw3_browse.core.identity import checkpoint_identity

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    tiny_captioner().save(folder / "captioner")
    write_dataset(folder, 3)
    return folder


@pytest.fixture(scope="module")
def captioner(folder: Path) -> OwnCaptioner:
    opened = open_captioner(folder / "captioner", CPU)
    assert isinstance(opened, OwnCaptioner)
    return opened


@pytest.fixture(scope="module")
def inputs(folder: Path, captioner: OwnCaptioner) -> np.ndarray:
    dataset = open_dataset(folder / "images")
    return np.stack([captioner.input(load_image(dataset.file(item))) for item in dataset])


def test_plans_have_not_changed(folder: Path, captioner: OwnCaptioner) -> None:
    """An unfinished cache goes on only under an equal plan."""
    loaded = Captioner.load(folder / "captioner")
    assert list(captioner.identity) == ["name", "sha256", "format", "version", "encoder", "decoder", "preprocess"]
    assert captioner.identity == {
        **checkpoint_identity(folder / "captioner"),
        **loaded.config.to_json(),
        "preprocess": dict(loaded.preprocess.to_json()),
    }


def test_without_a_look_the_captions_are_the_same(captioner: OwnCaptioner, inputs: np.ndarray) -> None:
    looked = captioner.write(inputs, Decoding(beams=3))
    plain = captioner.write(inputs, Decoding(beams=3), look=False)
    for one, other in zip(looked, plain, strict=True):
        assert other.attention is None
        assert (one.caption, one.token_ids, one.words) == (other.caption, other.token_ids, other.words)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert one.attention is not None
        view = captioner.view((60, 40))
        assert one.attention.shape == (len(one.token_ids), 2, 3, captioner.prefix + view.rows * view.cols)


def test_alternatives_are_what_the_search_keeps(captioner: OwnCaptioner, inputs: np.ndarray) -> None:
    decoding = Decoding(beams=4, keep=3)
    with torch.inference_mode():
        pixels = captioner.captioner.preprocess.normalise(torch.from_numpy(inputs))
        found = decode(captioner.captioner, captioner.captioner.encode(pixels), decoding)
    for written, hypotheses in zip(captioner.write(inputs, decoding), found, strict=True):
        texts = [captioner.captioner.tokenizer.decode(one.token_ids).text for one in hypotheses]
        assert [written.caption, *(other.caption for other in written.alternatives)] == texts
        assert [other.score for other in written.alternatives] == pytest.approx([one.score for one in hypotheses[1:]])


def test_a_sample_is_its_picture_s_own(captioner: OwnCaptioner, inputs: np.ndarray) -> None:
    decoding = Decoding(sample=True, seed=3)
    together = [written.token_ids for written in captioner.write(inputs, decoding, keys=["a", "b", "c"])]
    assert [written.token_ids for written in captioner.write(inputs[::-1].copy(), decoding)] == together[::-1]


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "bert"}', '{"name": "bert"}', "[]"])
def test_what_is_no_captioner(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        open_captioner(tmp_path, CPU)
