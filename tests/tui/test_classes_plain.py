"""A zero-shot run without a terminal: text, JSON and CSV, and what is refused in a line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from fakes import make_cache
from zeroshot_fakes import NAMES, TEMPLATES, make_zeroshot_run

from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.places import remember_cache
from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.tui import cli

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_zeroshot_run(tmp_path / "zero", count=24, names=("dog\x1b[31m", *NAMES[1:]), unknown=(4,))


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, folder, "--print", "--sort", "margin", "--reverse", "--limit", "5").splitlines()
    assert lines[0].split() == ["rank", "margin", "confidence", "name", "taken", "for"]
    assert len(lines) == 6
    with ZeroShotRun.open(folder) as run:
        for text, index in zip(lines[1:], run.order(0, "margin", reverse=True).tolist(), strict=False):
            assert run.name(index) in text
            assert f"{run.values(0, 'margin')[index]:.4f}" in text
    assert "\x1b" not in "".join(lines)
    assert printed(capsys, folder).splitlines()[1].strip().startswith("1 ")  # not a terminal: text, surest first


def test_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, folder, "--csv", "--prompt", "2", "--sort", "index"))))
    with ZeroShotRun.open(folder) as run:
        for index, row in enumerate(rows):
            assert row["name"] == run.name(index)
            assert float(row["confidence"]) == run.values(1, "confidence")[index]
            truth = run.true_label(index)
            assert row["correct"] == ("" if truth is None else str(int(truth == run.predicted(1)[index])))
            assert row["true_rank"] == str(run.true_rank(index, 1) or "")
            assert (row["class"] == "") == (truth is None)
    assert "note" not in rows[0]


def test_json_has_every_prompt_and_the_notes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Judgements.beside(folder)
    store.set_tags("1_1.png", ["odd"], ())
    store.close()
    (one,) = json.loads(printed(capsys, folder, "--json", "--filter", "tag:odd"))
    assert (one["name"], one["class"], one["tags"], one["note"]) == ("1_1", "cat", ["odd"], "")
    assert [prompt["prompt"] for prompt in one["prompts"]] == list(TEMPLATES)
    with ZeroShotRun.open(folder) as run:
        for number, prompt in enumerate(one["prompts"]):
            assert [entry["probability"] for entry in prompt["top"]] == [share for _, share in run.top(1, number)]
            assert prompt["true_rank"] == run.true_rank(1, number)
    (stray,) = json.loads(printed(capsys, folder, "--json", "--filter", "name = stray_4"))
    assert stray["class"] is None
    assert stray["prompts"][0]["correct"] is None
    rows = list(csv.DictReader(io.StringIO(printed(capsys, folder, "--csv", "--filter", "tag:odd"))))
    assert rows[0]["tags"] == "odd"


def test_the_last_run_is_opened(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember_cache(folder)
    assert "taken for" in printed(capsys, "--print")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--prompt", "4"), "--prompt 4: this run has 3, counted from 1"),
        (("--sort", "clipscore"), "cannot sort by 'clipscore'"),
        (("--filter", "caption ~ dog"), "no field"),
        (("--filter", "correct = maybe"), "expected a number"),
    ],
)
def test_misuse_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], problem: str
) -> None:
    assert cli.main([str(folder), "--print", *options]) == 2
    told = capsys.readouterr()
    assert problem in told.err
    assert not told.out


def test_kinds_are_not_mixed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = make_cache(tmp_path / "words", count=4)
    for folders in ((folder, cache), (cache, folder), (folder, folder)):
        assert cli.main([*map(str, folders), "--print"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{folder} is a zero-shot run, which is browsed alone" in line
        assert "b in the browser" in line
    assert cli.main([str(cache), "--prompt", "1"]) == 2
    assert "--prompt is for zero-shot runs" in capsys.readouterr().err
