"""`hw3 evaluate`: the scores of precompute for the same captions, and every way in which something is missing."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.reader import Cache
from hw3_browse.core.cli import build_parser, main
from hw3_browse.core.clip import ClipSpec
from hw3_browse.core.datasets import open_dataset
from hw3_browse.core.precompute import Options, Precompute
from hw3_browse.core.report.repeat import precompute_line

COUNT = 7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, a CLIP, a finished cache, and its captions as predictions."""
    folder = tmp_path_factory.mktemp("world")
    write_dataset(folder, COUNT)
    tiny_captioner().save(folder / "captioner")
    write_clip(folder / "clip")
    dataset = open_dataset(folder / "images", folder / "captions.json")
    options = Options(metrics=("cider", "bleu"), device="cpu", workers=1)
    Precompute(dataset, folder / "captioner", ClipSpec(str(folder / "clip")), options).run(folder / "cache")
    with Cache.open(folder / "cache") as cache:
        captions = {cache.sample(index).name: cache.sample(index).caption for index in range(COUNT)}
    (folder / "out.json").write_text(json.dumps(captions))
    return folder


def evaluate(world: Path, capfd: pytest.CaptureFixture[str], *options: str, code: int = 0) -> list[str]:
    """What the command prints, or its one line of error."""
    wanted = ["evaluate", *options]
    if "--metrics" not in options:
        wanted += ["--metrics", "cider,bleu"]
    capfd.readouterr()
    assert main([*wanted, "--device", "cpu", "--clip", str(world / "clip")]) == code
    printed = capfd.readouterr()
    return printed.out.splitlines() if code == 0 else printed.err.splitlines()[-1:]


def table(lines: list[str]) -> dict[str, float]:
    rows = [line.split("  ") for line in lines[1:] if "  " in line]
    return {row[0]: float(next(cell for cell in row[1:] if cell).replace(",", "")) for row in rows}


def everything(world: Path) -> tuple[str, ...]:
    return (
        str(world / "out.json"), "--images", str(world / "images"), "--annotations", str(world / "captions.json"),
    )  # fmt: skip


def test_the_scores_are_those_of_precompute(world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outs = ("--json", str(tmp_path / "new" / "scores.json"), "--csv", str(tmp_path / "rows.csv"))
    lines = evaluate(world, capfd, *everything(world), *outs)
    scores = json.loads((tmp_path / "new" / "scores.json").read_text())
    with Cache.open(world / "cache") as cache, (tmp_path / "rows.csv").open(newline="") as file:
        corpus = cache.manifest.corpus
        found = scores["scores"]
        assert lines[0] == f"CIDEr: {found['cider']:.4f} | CLIPScore: {found['clipscore']:.4f}"
        assert found == corpus
        rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == ("name", "path", "caption", *cache.score_names[:-1])
        assert cache.score_names[-1] == "logprob"
        for name in cache.score_names[:-1]:
            np.testing.assert_array_equal([float(row[name]) for row in rows], cache.scores(name))
        assert [row["caption"] for row in rows] == [cache.sample(index).caption for index in range(COUNT)]
    assert scores["pictures"] == COUNT
    assert scores["dataset"]["annotations"].endswith("captions.json")
    assert list(table(lines)) == [
        "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr", "CLIPScore", "RefCLIPScore",
        "distinct-1", "distinct-2", "vocabulary", "mean length", "unique",
    ]  # fmt: skip
    assert not [line for line in lines if line.startswith("note:")]


def test_embeddings_are_kept_for_other_commands(world: Path, capfd: pytest.CaptureFixture[str]) -> None:
    evaluate(world, capfd, *everything(world))
    assert main(["evaluate", *everything(world), "--metrics", "cider", "--clip", str(world / "clip")]) == 0
    assert f"pictures by CLIP: {COUNT}/{COUNT} pictures, took 0.0 s, {COUNT} of them before" in capfd.readouterr().err


def test_without_pictures_there_is_no_clipscore(world: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = evaluate(world, capfd, str(world / "out.json"), "--annotations", str(world / "captions.json"))
    assert lines[0].startswith("CIDEr: ")
    assert "|" not in lines[0]
    assert "note: no CLIPScore, which needs the pictures: --images DIR" in lines


def test_without_references_there_is_no_cider(world: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = evaluate(world, capfd, str(world / "out.json"), "--images", str(world / "images"))
    assert lines[0].startswith("CLIPScore: ")
    assert list(table(lines)) == ["CLIPScore", "distinct-1", "distinct-2", "vocabulary", "mean length", "unique"]
    assert "note: no CIDEr, BLEU, ROUGE-L, METEOR, which need references: --annotations FILE" in lines


def test_captions_of_a_part(world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    captions = json.loads((world / "out.json").read_text())
    some = {name: captions[name] for name in ("000005", "000001", "000002")}
    (tmp_path / "some.json").write_text(json.dumps({**some, "00001": "x"}))
    options = (str(tmp_path / "some.json"), *everything(world)[1:])
    (line,) = evaluate(world, capfd, *options, code=2)
    assert "1 of its captions are of no picture (00001; did you mean 000001?); 4 of 7 pictures have no" in line
    assert line.endswith("; --partial scores what fits")
    outs = ("--csv", str(tmp_path / "rows.csv"), "--json", str(tmp_path / "scores.json"))
    lines = evaluate(world, capfd, *options, "--partial", *outs)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["without_caption"] == ["000000", "000003", "000004", "000006"]
    assert scores["without_picture"] == ["00001"]
    assert "3 pictures of captions" in lines[-3]
    assert [line.partition(":")[0] for line in lines[-2:]] == ["note", "note"]
    with Cache.open(world / "cache") as cache, (tmp_path / "rows.csv").open(newline="") as file:
        rows = {row["name"]: float(row["clipscore"]) for row in csv.DictReader(file)}
        assert rows == pytest.approx(
            {f"{place:06d}": cache.scores("clipscore")[place] for place in (1, 2, 5)}, abs=5e-3
        )


def test_broken_pictures_are_in_no_score_and_named(
    world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images, annotations = write_dataset(tmp_path, COUNT)
    (images / "000003.png").write_bytes(b"")
    options = (str(world / "out.json"), "--images", str(images), "--annotations", str(annotations))
    lines = evaluate(world, capfd, *options, "--broken", "skip", "--json", str(tmp_path / "s.json"))
    assert "6 pictures of captions" in lines
    assert any(line.startswith("note: 1 of 7 pictures are left out of everything: 000003.png (") for line in lines)
    scores = json.loads((tmp_path / "s.json").read_text())
    assert [one["path"] for one in scores["left_out"]] == ["000003.png"]
    assert scores["pictures"] == 6
    (line,) = evaluate(
        world, capfd, str(world / "out.json"), "--annotations", str(annotations), "--broken", "skip", code=2
    )
    assert line == "hw3 evaluate: --broken skip looks at the pictures: give --images DIR"


def test_precompute_keeps_what_it_left_out_and_how_to_repeat_it(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    images, _ = write_dataset(tmp_path, 4)
    (images / "000003.png").write_bytes(b"")
    rows = [f"{number:06d}.png,{'val' if number else 'train'},a dog {number}" for number in range(4)]
    (tmp_path / "table.csv").write_text("\n".join(["Bild,split,caption", *rows]))
    arguments = ["precompute", str(images), str(tmp_path / "table.csv"), "--captioner", str(world / "captioner")]
    arguments += ["--columns", "image=Bild", "--split", "val", "--broken", "skip", "--metrics", "cider"]
    arguments += ["--clip", str(world / "clip"), "--device", "cpu", "--out", str(tmp_path / "cache")]
    assert main(arguments) == 0
    with Cache.open(tmp_path / "cache") as cache:
        manifest = cache.manifest
    assert manifest.count == 2
    assert manifest.notes[0].startswith("1 of 3 pictures are left out of everything: 000003.png (")
    assert {"distinct1", "vocabulary", "unique"} <= manifest.corpus.keys()
    again = build_parser().parse_args(shlex.split(precompute_line(manifest.plan, "x"))[1:])
    assert (again.split, again.broken, again.columns) == ("val", "skip", "image=Bild")


def test_captions_that_were_learnt_by_heart(world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    captions = list(json.loads((world / "out.json").read_text()).values())
    known = {"images": [{"id": 1, "file_name": "x.jpg"}], "annotations": []}
    known["annotations"] = [{"image_id": 1, "caption": captions[0].upper() + " ."}]
    (tmp_path / "train.json").write_text(json.dumps(known))
    lines = evaluate(world, capfd, *everything(world), "--train-annotations", str(tmp_path / "train.json"))
    wanted = sum(caption != captions[0] for caption in captions) / COUNT
    assert table(lines)["novel"] == pytest.approx(wanted, abs=1e-4)
    split = {"images": [{**entry, "sentences": []} for entry in _karpathy(captions)]}
    (tmp_path / "split.json").write_text(json.dumps(split))
    (line,) = evaluate(world, capfd, *everything(world), "--train-annotations", str(tmp_path / "split.json"), code=2)
    assert line.endswith("split.json has no captions")


def _karpathy(captions: list[str]) -> list[dict[str, Any]]:
    return [
        {"filename": f"{place}.jpg", "imgid": place, "split": "train", "raw": text}
        for place, text in enumerate(captions)
    ]


@pytest.mark.parametrize(("which", "cider"), [("good", 0.5637), ("bad", 0.2790)])
def test_the_example_of_the_clipscore_paper(
    world: Path, golden_dir: Path, capfd: pytest.CaptureFixture[str], which: str, cider: float
) -> None:
    example = golden_dir / "clipscore_example"
    captions = str(example / f"{which}_captions.json")
    lines = evaluate(
        world, capfd, captions, "--images", str(example / "images"), "--annotations", str(example / "refs.json")
    )
    assert lines[0].startswith(f"CIDEr: {cider:.4f} | CLIPScore: ")
    assert "2 pictures of refs" in lines


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "what are the captions of? Give --images DIR, --annotations FILE, or both"),
        (("--images", "images", "--json", "images"), "images is a folder; give a file"),
        (("--images", "images", "--columns", "x"), "--columns x: expected image=HEAD,caption=HEAD"),
        (("--annotations", "captions.json", "--metrics", "ciderr"), "unknown metric 'ciderr': did you mean cider?"),
        (("--annotations", "captions.json", "--split", "val"), "captions.json has no splits: leave out --split val"),
    ],
)
def test_misuse_is_one_line(
    world: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(world)
    (found,) = evaluate(world, capfd, "out.json", *options, code=2)
    assert line in found
