"""``hw3 precompute --maps``, ``hw3 grounding`` and ``hw3 faithfulness`` over tiny models, and what says which maps."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import fake_plan, make_cache
from models import VIT, tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.reader import Cache
from hw3_browse.core.attribution import METHODS, attribute
from hw3_browse.core.attribution import faithfulness as module
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cli import main
from hw3_browse.core.commands.precompute import _MAPS
from hw3_browse.core.datasets import load_image
from hw3_browse.core.encoder import EncoderConfig
from hw3_browse.core.report.repeat import precompute_line

COUNT = 4
ENCODER = replace(VIT, args={**VIT.args, "depth": 2})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with boxes, a captioner, a CLIP, and a cache of each kind of maps."""
    folder = tmp_path_factory.mktemp("world")
    write_dataset(folder, COUNT)
    captioner = tiny_captioner(ENCODER)
    with torch.no_grad():
        for name, parameter in captioner.encoder.named_parameters():
            if "qkv" in name:
                parameter.mul_(8)
    captioner.save(folder / "captioner")
    write_clip(folder / "clip")
    for method in METHODS:
        assert main([*precompute(folder), "--maps", method, "--out", str(folder / method)]) == 0
    names = {word for method in METHODS for word in words_of(folder / method)}
    boxes = {
        "images": [{"id": number, "file_name": f"{number:06d}.png"} for number in range(COUNT)],
        "annotations": [{"image_id": number, "category_id": 1, "bbox": [0, 0, 24, 40]} for number in range(COUNT)],
        "categories": [{"id": 1, "name": "thing", "words": sorted(names)}],
    }
    (folder / "boxes.json").write_text(json.dumps(boxes))
    return folder


def precompute(world: Path) -> list[str]:
    models = ["--captioner", str(world / "captioner"), "--clip", str(world / "clip"), "--device", "cpu"]
    return ["precompute", str(world / "images"), *models, "--max-length", "6"]


def words_of(folder: Path) -> list[str]:
    with Cache.open(folder) as cache:
        return [word for index in range(len(cache)) for word in cache.sample(index).words]


def faithful(world: Path, *options: str) -> list[str]:
    caches = [str(world / method) for method in METHODS]
    return [
        "faithfulness",
        *caches,
        "--captioner",
        str(world / "captioner"),
        "--device",
        "cpu",
        "--steps",
        "3",
        *options,
    ]


@pytest.mark.parametrize("method", METHODS)
def test_the_cache_holds_the_maps_that_were_asked_for(world: Path, method: str) -> None:
    captioner = Captioner.load(world / "captioner")
    with Cache.open(world / method) as cache, Cache.open(world / "attention") as raw:
        assert cache.manifest.maps == method
        assert cache.manifest.plan.get("maps", "attention") == method
        assert ("maps" in cache.manifest.plan) == (method != "attention")
        assert cache.manifest.attention is not None
        assert cache.manifest.attention.heads == (1 if method == "relevance" else 3)
        for index in range(COUNT):
            sample, kept = cache.sample(index), cache.attention(index)
            assert replace(sample, scores={}) == replace(raw.sample(index), scores={})
            image = captioner.preprocess(load_image(world / "images" / sample.path))[None]
            with torch.no_grad():
                memory = captioner.encode(image)
            (expected,) = attribute(captioner, image, memory, [sample.token_ids], method)
            assert kept is not None
            assert np.abs(kept.weights - expected.attention.numpy()).max() < 0.01  # 8 bits


def test_rollout_of_a_convolutional_encoder_ends_before_anything_is_written(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_captioner(EncoderConfig("resnet10t", {}, preprocess={"input_size": [64, 96]})).save(tmp_path / "captioner")
    command = [*precompute(world), "--captioner", str(tmp_path / "captioner"), "--maps", "rollout"]
    assert main([*command, "--out", str(tmp_path / "cache")]) == 2
    assert "encoder resnet10t has no self-attention" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_the_command_offers_all_methods_and_a_report_repeats_it() -> None:
    assert _MAPS == METHODS
    plan = {
        **fake_plan(2),
        "captioner": {"name": "best"},
        "decoding": {"beams": 3},
        "clip": {"model": "clip", "pretrained": "x", "prefix": ""},
        "precision": "fp32",
    }
    assert "--maps" not in precompute_line(plan, "out")
    assert "--maps rollout" in precompute_line({**plan, "maps": "rollout"}, "out")


def test_grounding_compares_caches_in_a_table(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    caches = [str(world / method) for method in METHODS]
    capsys.readouterr()
    assert main(["grounding", *caches, str(world / "boxes.json")]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "mass" in head
    assert "pointing" in head
    assert [line.split()[:2] for line in lines] == [[method, method] for method in METHODS]
    assert main(["grounding", caches[2], str(world / "boxes.json")]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("relevance of object words in their boxes: ")
    assert len(rest) == 1 + 2 * 2  # two layers, by mass and by pointing


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_grounding_for_programs(world: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    caches = [str(world / method) for method in METHODS]
    capsys.readouterr()
    assert main(["grounding", *caches, str(world / "boxes.json"), form]) == 0
    text = capsys.readouterr().out
    rows = json.loads(text) if form == "--json" else list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 2 * 4 + 2 * 4 + 2 * 2  # layers times mean and heads
    for row in rows:
        assert 0 <= float(row["mass"]) <= 1
        assert 0 <= float(row["pointing"]) <= 1
    (mean, head) = [row for row in rows if row["maps"] == "relevance" and str(row["layer"]) == "2"]
    assert (mean["head"], head["head"]) == ("mean", "1")
    assert float(mean["mass"]) == pytest.approx(float(head["mass"]), abs=0.01)


def test_faithfulness_as_text_says_how_maps_differ(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(faithful(world)) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"all words: {len(words_of(world / 'attention'))} words of {COUNT} pictures")
    for line in ("attention - rollout", "rollout - relevance", "relevance - random order"):
        assert line in text


def test_faithfulness_for_programs_is_the_same_again_and_over_any_batch(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for batch in ("7", "500"):
        capsys.readouterr()
        assert main(faithful(world, "--json", "--sample", "3", "--seed", "4", "--batch", batch, "--fill", "blur")) == 0
        found.append(json.loads(capsys.readouterr().out))
    one, other = found
    assert [row["maps"] for row in one][:4] == [*METHODS, "random order"]
    for row, again in zip(one, other, strict=True):
        assert row.keys() == again.keys()
        assert row["deletion_low"] <= row["deletion"] <= row["deletion_high"]
        assert row["insertion"] == pytest.approx(again["insertion"], abs=1e-4)
        assert 0 <= row["deletion_probability"] <= 1
    assert one[3]["deletion_minus_random"] == 0
    assert main(faithful(world, "--csv", "--sample", "1")) == 0
    assert capsys.readouterr().out.startswith("group,maps,words,deletion,")


def test_captions_from_elsewhere_are_asked_of_the_checkpoint_that_read_them(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "attention", tmp_path / "read")
    path = tmp_path / "read" / "manifest.json"
    content = json.loads(path.read_text())
    content["plan"]["captioner"] = {"name": "told", "sha256": "0" * 64, "reader": content["plan"]["captioner"]}
    path.write_text(json.dumps(content))
    options = ["--captioner", str(world / "captioner"), "--sample", "1", "--steps", "2"]
    assert main(["faithfulness", str(tmp_path / "read"), *options]) == 0


def test_an_interruption_keeps_the_pictures_so_far(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load, seen = module.load_image, []

    def load_two(path: Path) -> object:
        seen.append(path)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return load(path)

    monkeypatch.setattr(module, "load_image", load_two)
    assert main(faithful(world)) == 130
    captured = capsys.readouterr()
    assert "of 2 pictures" in captured.out
    assert "2 pictures of the sample are left out" in captured.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captioner": "other"}, "made by another captioner"),
        ({"cache": "fake"}, "is of other pictures"),
        ({"images": "elsewhere"}, "there is no such picture below"),
        ({"options": ["--layer", "9"]}, "no layer 9, it has 2"),
    ],
    ids=["captioner", "pictures", "images", "layer"],
)
def test_what_cannot_be_compared_is_one_line(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], message: str
) -> None:
    captioner = world / "captioner"
    if "captioner" in change:
        captioner = tmp_path / "captioner"
        tiny_captioner(seed=8).save(captioner)
    caches = [str(world / "attention")]
    caches += [str(make_cache(tmp_path / "fake", count=COUNT))] if "cache" in change else []
    options = ["--images", str(tmp_path)] if "images" in change else list(change.get("options", []))  # type: ignore[call-overload]
    capsys.readouterr()
    assert main(["faithfulness", *caches, "--captioner", str(captioner), *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
