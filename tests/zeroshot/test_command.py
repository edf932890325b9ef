"""`hw3 zeroshot` and `hw3 topfive` as a user runs them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from models import write_clip
from PIL import Image
from zeroshot_fakes import make_zeroshot_run

from hw3_browse.cache.places import last_cache
from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.core import kept_clip
from hw3_browse.core.cli import main
from hw3_browse.core.commands.topfive import choose, surest_mistakes

NAMES = {"3": "dog", "5": "cat", "8": "apple"}
REPORT = ("This is a photo of {object}", "This is a {object} image.", "No {object}, no score.")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`clip/`, `val/` with six pictures in the assignment's layout, `id2label.json`."""
    folder = tmp_path_factory.mktemp("world")
    write_clip(folder / "clip")
    (folder / "val").mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "val" / f"{list(NAMES)[number % 3]}_{number}.png")
    (folder / "id2label.json").write_text(json.dumps(NAMES))
    return folder


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_clip.store, "kept_dir", lambda: tmp_path / "kept")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def zeroshot(world: Path, out: Path, *options: str) -> int:
    arguments = [str(world / "val"), str(world / "id2label.json"), str(out), "--clip", str(world / "clip")]
    return main(["zeroshot", *arguments, *options])


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_assignment_s_call(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert zeroshot(world, tmp_path / "out.csv") == 0
    rows = read_csv(tmp_path / "out.csv")
    assert rows[0] == ["filename", "label"]
    assert [name for name, _ in rows[1:]] == sorted(path.name for path in (world / "val").iterdir())
    assert {label for _, label in rows[1:]} <= set(NAMES)
    right = sum(name.split("_")[0] == label for name, label in rows[1:])
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Accuracy: {right}/6 ({100 * right / 6:.3f}%)\n")
    assert "A photo of a {object}." in printed.out
    assert "data/hw3-browse/caches/zeroshot-" in printed.err
    assert re.search(r"^open it: hw3-browse .*/zeroshot-", printed.err, re.MULTILINE)
    assert last_cache() == Path(re.findall(r"^run: (.*)$", printed.err, re.MULTILINE)[0])


def test_a_gallery_of_filtered_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_zeroshot_run(tmp_path / "run", count=40)
    options = ["--mistakes", "30", "--gallery", "--filter", "class = cat or class = dog", "--prompt", "3"]
    assert main(["topfive", str(run), "-o", str(tmp_path / "figures"), "--format", "svg", *options]) == 0
    (file,) = (tmp_path / "figures").iterdir()
    assert str(file) in capsys.readouterr().out
    with ZeroShotRun.open(run) as found:
        wrong = [i for i in surest_mistakes(found, 2) if found.true_label(i) in {0, 1}]
        assert wrong
        assert file.read_text().count("<image") == len(wrong)
        left = np.zeros(40, np.bool_)
        left[:9] = True
        assert set(choose(found, 0, random=20, left=left)) == set(range(9))
    assert main(["topfive", str(run), "--filter", "words > 3"]) == 2


def test_prompts_are_a_table(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [option for prompt in REPORT for option in ("--prompt", prompt)]
    run = tmp_path / "run"
    assert zeroshot(world, tmp_path / "out.csv", *options, "--ensemble", "--details", "--run", str(run)) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if re.match(r"\d  ", line)]
    assert [row.split("  ")[-1].strip() for row in rows] == [*REPORT, "ensemble (3 templates)"]
    assert all(re.search(r"\d/6 \(\d+\.\d{3}%\)", row) for row in rows)
    for title in ("worst classes by prompt 1:", "most frequent mistakes:", "calibration", "differences:"):
        assert title in printed
    assert zeroshot(world, tmp_path / "third.csv", *options, "--csv-prompt", "3", "--run", str(run)) == 0
    with ZeroShotRun.open(run) as found:
        third = [list(NAMES)[label] for label in found.predicted(2).tolist()]
    assert [label for _, label in read_csv(tmp_path / "third.csv")[1:]] == third


def test_without_classes_in_the_names(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert zeroshot(world, tmp_path / "out.csv", "--truth", "none", "--details", "--prompt", "a {object}") == 0
    printed = capsys.readouterr().out
    assert "no accuracy, since neither file names nor folders say their classes" in printed
    assert re.search(r"^1  \d+\.\d %\s+a \{object\}$", printed, re.MULTILINE)
    assert len(read_csv(tmp_path / "out.csv")) == 7


def test_class_folders(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (world / "val").iterdir():
        folder = tmp_path / "photos" / NAMES[path.name.split("_")[0]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "same.png").write_bytes(path.read_bytes())
    photos = str(tmp_path / "photos")
    assert main(["zeroshot", photos, photos, str(tmp_path / "out.csv"), "--clip", str(world / "clip")]) == 0
    rows = read_csv(tmp_path / "out.csv")
    assert [name for name, _ in rows[1:]] == ["apple/same.png", "cat/same.png", "dog/same.png"]
    assert {label for _, label in rows[1:]} <= set(NAMES.values())
    assert re.match(r"Accuracy: \d/3 ", capsys.readouterr().out)


def test_files_of_prompts_and_articles(world: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a {object}\nthe {object}\n")
    options = ["--prompts", str(file), "--templates", "simple", "--articles", "--run", str(tmp_path / "run")]
    assert zeroshot(world, tmp_path / "out.csv", *options) == 0
    with ZeroShotRun.open(tmp_path / "run") as run:
        names = [prompt.name for prompt in run.prompts]
        assert names == ["a {object}", "the {object}", "simple ensemble (7 templates)"]
        assert run.prompts[0].texts == ("a dog", "a cat", "an apple")
        assert run.prompts[2].texts == ("dog", "cat", "apple")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "a photo"], "has no {object}"),
        (["--ensemble"], "--ensemble: averages several prompts"),
        (["--csv-prompt", "2"], "--csv-prompt 2: there are 1 prompts"),
        (["--truth", "folder"], "--truth folder: no picture of"),
        (["--device", "abacus"], "no such device"),
        (["--clip", "./nothing"], "no such CLIP folder"),
        (["--run", "{world}"], "holds no zero-shot run"),
        (["--figures", "{out}", "--name", "nobody"], "has no picture named nobody"),
        (["--prompts", "{world}"], "cannot read the prompts"),
    ],
)
def test_misuse_is_one_line(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    options = [option.replace("{world}", str(world)).replace("{out}", str(tmp_path)) for option in options]
    assert zeroshot(world, tmp_path / "out.csv", *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("hw3 zeroshot: ")
    assert message in error


def test_a_csv_that_cannot_be(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert zeroshot(world, tmp_path) == 2
    assert "is a folder; give a file" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert zeroshot(world, tmp_path / "file" / "out.csv") == 2
    assert "is a file, so out.csv cannot be in it" in capsys.readouterr().err


def test_figures_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_zeroshot_run(tmp_path / "run")
    figures = tmp_path / "figures"
    assert main(["topfive", str(run), "-o", str(figures), "--dpi", "50"]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(printed) == 3  # as in the assignment's report
    assert all(path.is_file() and path.parent == figures for path in printed)
    options = ["--name", "1_1", "--mistakes", "2", "--prompt", "3", "--together", "--format", "svg", "--dpi", "50"]
    assert main(["topfive", str(run), "-o", str(figures), *options]) == 0
    assert capsys.readouterr().out.strip() == str(figures / "top5-prompt3.svg")


def test_pictures_are_chosen_by_name_by_mistake_and_by_seed(tmp_path: Path) -> None:
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run", count=40, unknown=[0])) as run:
        assert choose(run, 0, names=["2_2", "1_1.png"]) == [2, 1]
        first = choose(run, 0, random=6, seed=1)
        assert len(set(first)) == 6
        assert choose(run, 0, random=6, seed=1) == first
        assert choose(run, 0, random=6, seed=2) != first
        assert choose(run, 0, names=["2_2"], random=100)[0] == 2
        assert sorted(choose(run, 0, random=100)) == list(range(40))
        wrong = surest_mistakes(run, 2)
        sure = run.values(2, "confidence")
        assert wrong
        assert all(run.true_label(index) not in (None, run.top(index, 2)[0][0]) for index in wrong)
        assert [sure[index] for index in wrong] == sorted((sure[index] for index in wrong), reverse=True)
        assert len(wrong) == int((run.values(2, "correct") == 0).sum())
        assert choose(run, 2, mistakes=2) == wrong[:2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "4"], "--prompt 4: there are 3 prompts"),
        (["--name", "1_11"], "no picture named 1_11; did you mean 1_1?"),
        (["--dpi", "5"], "40 to 600 dots per inch"),
        (["--mistakes", "1"], "no picture's class is known"),
    ],
)
def test_misuse_of_topfive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    unknown = range(12) if "--mistakes" in options else ()
    run = make_zeroshot_run(tmp_path / "run", unknown=list(unknown))
    assert main(["topfive", str(run), "-o", str(tmp_path / "figures"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()
