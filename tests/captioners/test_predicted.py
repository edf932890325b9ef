"""Captions of a file in a cache: alone, and read by a checkpoint of ours."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from models import SENTENCES, tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.errors import DatasetError
from hw3_browse.cache.reader import Cache
from hw3_browse.core.attention import look
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.captioners import OwnCaptioner, Predicted, ReadBy, joined
from hw3_browse.core.cli import main
from hw3_browse.core.datasets import load_image, open_dataset
from hw3_browse.core.decoding import Decoding
from hw3_browse.core.predictions import read_predictions
from hw3_browse.core.report.repeat import precompute_line

COUNT = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, a captioner, a CLIP and captions of the first sentences."""
    folder = tmp_path_factory.mktemp("world")
    write_dataset(folder, COUNT)
    tiny_captioner().save(folder / "captioner")
    write_clip(folder / "clip")
    captions = {f"{number:06d}": SENTENCES[number] for number in range(COUNT)}
    (folder / "theirs.json").write_text(json.dumps(captions))
    return folder


def arguments(world: Path, out: Path, *more: str) -> list[str]:
    return [
        "precompute", str(world / "images"), str(world / "captions.json"), "--clip", str(world / "clip"),
        "--metrics", "cider", "--batch", "3", "--device", "cpu", "--out", str(out), *more,
    ]  # fmt: skip


def predictions(folder: Path, captions: object) -> str:
    (folder / "pred.json").write_text(json.dumps(captions))
    return str(folder / "pred.json")


def test_captions_of_a_file_are_scored_and_browsed_without_any_model(world: Path, tmp_path: Path) -> None:
    assert main(arguments(world, tmp_path / "run", "--predictions", str(world / "theirs.json"))) == 0
    with Cache.open(tmp_path / "run") as cache:
        assert cache.manifest.attention is None
        assert cache.score_names == ("clipscore", "refclipscore", "cider")
        assert [cache.caption(index) for index in range(COUNT)] == list(SENTENCES[:COUNT])
        sample = cache.sample(1)
        assert sample.words == tuple(SENTENCES[1].split())
        assert sample.view.box == (0.0, 0.0, float(sample.view.width), float(sample.view.height))
        plan = cache.manifest.plan
        assert plan["captioner"]["name"] == "theirs.json"
        assert plan["decoding"] == {}
        assert "--predictions theirs.json --clip" in precompute_line(plan, "run")


def test_coco_results_are_found_by_id(world: Path, tmp_path: Path) -> None:
    results = [{"image_id": number, "caption": f"caption {number}"} for number in range(COUNT)]
    assert main(arguments(world, tmp_path / "run", "--predictions", predictions(tmp_path, results))) == 0
    with Cache.open(tmp_path / "run") as cache:
        assert [cache.caption(index) for index in range(COUNT)] == [f"caption {number}" for number in range(COUNT)]


def test_a_checkpoint_reads_them(world: Path, tmp_path: Path) -> None:
    more = ("--predictions", str(world / "theirs.json"), "--captioner", str(world / "captioner"), "--exact")
    assert main(arguments(world, tmp_path / "run", *more)) == 0
    captioner = Captioner.load(world / "captioner")
    dataset = open_dataset(world / "images", world / "captions.json")
    with Cache.open(tmp_path / "run") as cache:
        assert cache.manifest.plan["captioner"]["reader"]["name"] == "captioner"
        line = precompute_line(cache.manifest.plan, "run")
        assert "--predictions theirs.json --captioner captioner --clip" in line
        for item in dataset:
            ids = captioner.tokenizer.encode(SENTENCES[item.index])[1:][: captioner.config.decoder.max_length - 1]
            with torch.inference_mode():
                memory = captioner.encode(captioner.preprocess(load_image(dataset.file(item)))[None])
            seen = look(captioner, memory, [ids])[0]
            sample, attention = cache.sample(item.index), cache.attention(item.index)
            assert sample.token_ids == tuple(ids)
            assert sample.caption == SENTENCES[item.index]
            assert sample.logprobs == pytest.approx(seen.logprobs.tolist(), abs=1e-4)
            assert sample.scores["logprob"] == pytest.approx(float(seen.logprobs.sum()), abs=1e-3)
            assert attention is not None
            np.testing.assert_allclose(attention.weights, seen.attention.numpy(), atol=1e-3)


def test_unknown_words_keep_their_text_and_have_no_probability(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captions = {f"{number:06d}": "A dog über cats" if number == 2 else "a dog" for number in range(COUNT)}
    more = ("--predictions", predictions(tmp_path, captions), "--captioner", str(world / "captioner"))
    assert main(arguments(world, tmp_path / "run", *more)) == 0
    assert "note: 1 of 4 captions have words that the tokenizer of captioner does not know" in capsys.readouterr().out
    with Cache.open(tmp_path / "run") as cache:
        sample = cache.sample(2)
        unknown = [piece for piece, value in zip(sample.pieces, sample.logprobs, strict=True) if math.isnan(value)]
        assert unknown == ["ü"]
        assert "[UNK]" not in " ".join(sample.words)
        assert "".join(sample.words) == "adogübercats"
        assert sample.caption == "A dog über cats"
        assert math.isnan(sample.scores["logprob"])
        assert not math.isnan(cache.sample(1).scores["logprob"])


def test_what_is_behind_the_reader_s_limit_has_no_maps(world: Path) -> None:
    reader = OwnCaptioner(world / "captioner", torch.device("cpu"))
    most = reader.captioner.decoder.config.max_length - 1
    long = " ".join(["dog"] * 30)
    reading = ReadBy(Predicted(world / "theirs.json", {"x.png": long}), reader)
    dataset = open_dataset(world / "images")
    pixels = reading.input(load_image(dataset.file(dataset.items[0])))[None]
    written = reading.write(pixels, Decoding(), keys=["x.png"])[0]
    assert len(written.token_ids) == most
    assert written.attention is not None
    assert written.attention.shape[0] == most
    assert written.words == tuple(long.split())
    assert max(written.word_of_piece) < len(written.words) - 1
    assert reading.notes([long, "a dog"]) == [
        "1 of 2 captions are longer than any that captioner writes; the rest of them has no maps"
    ]


def test_missing_captions_end_it_or_are_left_out_as_one_likes(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = predictions(tmp_path, {"000001": "a dog", "000003": "two cats", "nobody": "x"})
    assert main(arguments(world, tmp_path / "run", "--predictions", part)) == 2
    assert "2 of 4 pictures have no caption" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main(arguments(world, tmp_path / "run", "--predictions", part, "--broken", "skip")) == 0
    out = capsys.readouterr().out
    assert "2 of 4 pictures have no caption and count nowhere: 000000, 000002" in out
    assert "1 of 3 captions are of no picture and count nowhere: nobody" in out
    with Cache.open(tmp_path / "run") as cache:
        assert [cache.name(index) for index in range(len(cache))] == ["000001", "000003"]
        assert cache.caption(1) == "two cats"


def test_a_part_has_a_fingerprint_of_its_own(world: Path, tmp_path: Path) -> None:
    dataset = open_dataset(world / "images", world / "captions.json")
    found = [
        joined(dataset, read_predictions(Path(predictions(tmp_path, dict.fromkeys(names, "x")))), partial=True)[0]
        for names in (["000000"], ["000001"], [f"{number:06d}" for number in range(COUNT)])
    ]
    assert len({each.fingerprint for each in found}) == 3
    assert found[2].fingerprint == dataset.fingerprint
    with pytest.raises(DatasetError, match="no caption"):
        joined(dataset, read_predictions(Path(predictions(tmp_path, {"000000": "x"}))), partial=False)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "Give --captioner FOLDER, or --predictions PRED.json, or both"),
        (["--predictions", "{world}/theirs.json", "--beams", "3"], "leave --beams and other options"),
        (["--predictions", "{world}/none.json"], "none.json do not exist"),
        (["--predictions", "{world}/theirs.json", "--maps", "rollout"], "--maps rollout: needs a checkpoint"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(arguments(world, tmp_path / "run", *(word.format(world=world) for word in more))) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_other_maps_are_the_reader_s(world: Path, tmp_path: Path) -> None:
    both = ("--predictions", str(world / "theirs.json"), "--captioner", str(world / "captioner"))
    assert main(arguments(world, tmp_path / "run", *both, "--maps", "rollout")) == 0
    with Cache.open(tmp_path / "run") as cache:
        assert cache.manifest.plan["maps"] == "rollout"
        assert cache.attention(0) is not None
