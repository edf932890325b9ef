"""What is drawn, reported, measured and exported of a run that has no attention maps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import make_cache

from hw3_browse.core.cli import main


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without attention and tokens."""
    return make_cache(tmp_path_factory.mktemp("plain") / "run", count=4, maps=False, words=["a red kite", "a dog"])


def test_a_figure_is_the_picture_with_its_caption(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grid", str(plain), "--name", "000000000001", "-o", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.err == "note: this run has no attention maps; figures show pictures and captions alone\n"
    assert Path(said.out.strip()).read_bytes().startswith(b"\x89PNG")


def test_maps_of_words_are_refused_in_one_line(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grid", str(plain), "--top", "1", "--words", "dog", "-o", str(tmp_path / "figures")]) == 2
    assert "this run has no attention maps" in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()


def test_a_report_leaves_the_maps_out(plain: Path, tmp_path: Path) -> None:
    assert main(["report", str(plain), "-o", str(tmp_path / "report")]) == 0
    text = (tmp_path / "report" / "report.md").read_text()
    assert "- Attention: none: the captioner told nothing of it" in text
    assert "a red kite" in text
    assert "No attention maps." in text


def test_there_is_nothing_to_measure(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = {
        "categories": [{"id": 1, "name": "dog"}],
        "images": [{"id": 1, "file_name": "000000000001.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50]}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    assert main(["grounding", str(plain), str(tmp_path / "boxes.json")]) == 2
    assert "this run has no attention maps, so there is nothing to measure" in capsys.readouterr().err
    assert main(["report", str(plain), "--instances", str(tmp_path / "boxes.json"), "-o", str(tmp_path / "r")]) == 0


def test_captions_and_scores_are_exported(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(plain), "--jsonl", "-"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[1]["caption"] == "a dog"
    assert rows[1]["pieces"] == []
    assert rows[1]["logprob"] is None
