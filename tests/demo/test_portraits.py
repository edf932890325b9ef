"""The bundled zero-shot set: the same pictures each time, in the assignment's layout, and three prompts that differ."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.core import store
from hw3_browse.core.datasets import load_image
from hw3_browse.core.demo import portraits
from hw3_browse.core.demo.classifying import PROMPTS, classify_things
from hw3_browse.core.demo.recipe import SEED
from hw3_browse.core.demo.scenes import SPLITS
from hw3_browse.core.demo.things import THINGS


def test_they_depend_on_seed_class_and_number_alone() -> None:
    for label, number in ((0, 0), (17, 3), (len(THINGS) - 1, portraits.A_CLASS - 1)):
        first, again = (np.asarray(portraits.portrait(SEED, label, number)) for _ in range(2))
        assert (first == again).all()
        other = np.asarray(portraits.portrait(SEED + 1, label, number))
        assert other.shape == first.shape
        assert (first != other).any()


def test_no_scene_shares_their_random_states() -> None:
    assert portraits._STREAM not in SPLITS.values()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the demo, in a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "kept_dir", lambda: home / "kept")
        return classify_things(home / "run", home / "things")


def test_the_assignment_s_layout(made: Path) -> None:
    things = made.parent / "things"
    names = json.loads((things / "id2label.json").read_text())
    assert list(names.values()) == [thing.name for thing in THINGS]
    files = sorted((things / "val").iterdir())
    assert {tuple(map(int, path.stem.split("_"))) for path in files} == {
        (label, number) for label in range(len(THINGS)) for number in range(portraits.A_CLASS)
    }
    sizes = {load_image(path).size for path in files[:16]}
    assert (32, 32) in sizes
    assert max(sizes) == (128, 128)


def test_three_prompts_give_three_accuracies(made: Path) -> None:
    with ZeroShotRun.open(made) as run:
        found = [prompt.summary for prompt in run.prompts]
        assert [prompt.name for prompt in run.prompts] == list(PROMPTS)
        assert run.image_file(0) is not None
    assert all(summary is not None and summary.count == len(run) for summary in found)
    correct = [summary.correct for summary in found if summary is not None]
    assert len(set(correct)) == 3
    assert min(correct) > 0.4 * len(run)  # chance is 1 in 56
    assert max(correct) < 0.9 * len(run)  # and there are mistakes to look at


def test_it_is_made_once_and_again_when_asked(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "kept_dir", lambda: made.parent / "kept")
    before = (made / "manifest.json").stat().st_mtime_ns
    classify_things(made, made.parent / "things")
    assert (made / "manifest.json").stat().st_mtime_ns == before
    assert capsys.readouterr().err == ""
    later = before + 10**9
    os.utime(made.parent / "things" / "id2label.json", ns=(later, later))  # drawn anew: the run is old
    classify_things(made, made.parent / "things")
    assert (made / "manifest.json").stat().st_mtime_ns != before
