"""The command ``hw3`` as a user meets it: exit codes and one clear line, in-process and as a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import make_cache
from models import tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.reader import Cache
from hw3_browse.core.cli import main
from hw3_browse.core.commands.precompute import corpus_line, default_name


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the user's own places is read or written."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for command in ("demo", "train", "train-clip", "precompute", "grid", "grounding"):
        assert command in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["precompute", "{home}/none", "--captioner", "{home}/c"], "none"),
        (["precompute", "{home}/images", "--captioner", "{home}/none"], "config.json"),
        (["precompute", "{home}/images", "{home}/broken.json", "--captioner", "{home}/c"], "broken.json"),
        (["precompute", "{home}/images", "--captioner", "{home}/c", "--clip", "./no/such/clip"], "no/such/clip"),
        (["precompute", "{home}/images", "--captioner", "{home}/c", "--device", "cuda:99"], "cuda:99"),
        (["train", "{home}/none.toml", "--out", "{home}/run"], "none.toml"),
        (["train-clip", "{home}/none.toml", "--out", "{home}/run"], "none.toml"),
        (["grid", "{home}/none", "--top", "1"], "none"),
        (["grid", "{home}/cache"], "nothing chosen"),
        (["grid", "{home}/cache", "--name", "nobody"], "nobody"),
        (["grid", "{home}/cache", "--top", "1", "--sort", "clipscor"], "clipscore"),
        (["grid", "{home}/cache", "--top", "1", "--head", "loud"], "--head loud"),
        (["grid", "{home}/cache", "--top", "1", "--layer", "77"], "layer 77"),
        (["grounding", "{home}/cache", "{home}/broken.json"], "broken.json"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    write_dataset(home, count=2)
    (home / "broken.json").write_text('{"images": [')
    tiny_captioner().save(home / "c")
    make_cache(home / "cache", count=3)
    capsys.readouterr()
    assert main([text.format(home=home) for text in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith(f"hw3 {arguments[0]}: ")
    assert message in lines[0]


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["precompute"], ["train", "x.toml"], ["precompute", "--beams", "0"]]
)
def test_misuse_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: hw3" in capsys.readouterr().err


def test_grids_are_saved_and_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_cache(home / "cache", count=5)
    with Cache.open(folder) as cache:
        best, worst = cache.order("clipscore")[0], cache.order("clipscore", reverse=True)[0]
        names = [cache.name(int(best)), cache.name(int(worst))]
    out = home / "figures"
    assert main(["grid", str(folder), "--top", "1", "--last", "1", "--out", str(out), "--format", "svg"]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.parent for path in paths] == [out, out]
    for path, name in zip(paths, names, strict=True):
        assert path.name.startswith(f"{name}-clipscore-")
        assert path.read_text().startswith("<?xml")


def test_interrupted_work_says_how_to_go_on(home: Path) -> None:
    """A real Ctrl+C while `hw3 precompute` captions: code 130, one line, and the folder can be resumed."""
    images, annotations = write_dataset(home, count=400)
    tiny_captioner().save(home / "c")
    command = [
        sys.executable, "-m", "hw3_browse.core.cli", "precompute", str(images), str(annotations),
        "--captioner", str(home / "c"), "--clip", str(write_clip(home / "clip")), "--batch", "1", "--workers", "1",
        "--metrics", "", "--out", str(home / "run"), "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    work = home / "run" / "attention.sqlite"
    while process.poll() is None and not (work.is_file() and work.stat().st_size > 100_000):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "goes on where it stopped" in errors
    assert "Traceback" not in errors
    assert not (home / "run" / "manifest.json").exists()


def test_names_of_caches_are_safe() -> None:
    assert default_name("p2_data-val", Path("/runs/best"), "greedy") == "p2_data-val-best-greedy"
    assert default_name("../../etc", Path("/runs/a b"), "beam5") == "etc-a-b-beam5"


def test_cider_and_clipscore_come_first() -> None:
    assert (
        corpus_line({"bleu1": 0.5, "clipscore": 0.7, "cider": 0.8}) == "cider 0.8000 | clipscore 0.7000 | bleu1 0.5000"
    )


def test_importing_the_command_line_does_not_import_torch() -> None:
    code = "import sys, hw3_browse.core.cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", "import json; " + code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "pandas", "matplotlib", "open_clip", "timm"}
