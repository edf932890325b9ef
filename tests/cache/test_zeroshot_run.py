"""A zero-shot run on disk: what is written is read, whole or not at all, and damage is one clear line."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import make_cache
from hypothesis import given
from hypothesis import strategies as st
from zeroshot_fakes import NAMES, TEMPLATES, make_zeroshot_run

from hw3_browse.cache import folders
from hw3_browse.cache.errors import CacheDamaged, CacheError, CacheNewer, CacheNotFound, UsageError
from hw3_browse.cache.live import open_cache
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.cache.zeroshot import VALUES, Manifest, ZeroShotRun


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures") / "val"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A run of twelve pictures, the fourth of an unknown class, that no test may change."""
    return make_zeroshot_run(tmp_path_factory.mktemp("runs") / "run", unknown=[3], images=images)


@pytest.fixture
def run(folder: Path) -> Any:
    with ZeroShotRun.open(folder) as opened:
        yield opened


def test_it_says_what_was_written(run: ZeroShotRun, images: Path) -> None:
    assert len(run) == 12
    assert run.labels == NAMES
    assert [prompt.name for prompt in run.prompts] == list(TEMPLATES)
    assert run.prompts[1].texts[2] == "This is a teddy bear image."
    assert (run.name(0), run.path(0)) == ("0_0", "0_0.png")
    assert (run.name(3), run.true_label(3), run.true_rank(3, 0)) == ("stray_3", None, None)
    assert [run.true_label(index) for index in (0, 1, 7)] == [0, 1, 0]
    assert (run.size(1), run.size(2)) == ((60, 40), (40, 60))
    assert run.image_file(2) == images / "2_2.png"
    assert run.preview(2).startswith(b"\xff\xd8\xff")
    assert (run.find("2_9"), run.find("nobody")) == (9, None)


def test_guesses_are_best_first_and_agree_with_the_columns(run: ZeroShotRun) -> None:
    for prompt in range(len(run.prompts)):
        for index in range(len(run)):
            top = run.top(index, prompt)
            chances = [chance for _, chance in top]
            assert len(top) == 5
            assert chances == sorted(chances, reverse=True)
            assert run.predicted(prompt)[index] == top[0][0]
            assert run.values(prompt, "confidence")[index] == pytest.approx(chances[0])
            assert run.values(prompt, "margin")[index] == pytest.approx(chances[0] - chances[1], abs=1e-6)
            truth, rank = run.true_label(index), run.true_rank(index, prompt)
            correct = run.values(prompt, "correct")[index]
            if truth is None:
                assert np.isnan([correct, run.values(prompt, "true_probability")[index]]).all()
                continue
            assert (correct == 1) == (top[0][0] == truth) == (rank == 1)
            if rank is not None and rank <= 5:
                assert top[rank - 1][0] == truth
                assert run.values(prompt, "true_probability")[index] == pytest.approx(chances[rank - 1])


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("reverse", [False, True])
def test_orders_put_the_undefined_last(run: ZeroShotRun, name: str, reverse: bool) -> None:
    order = run.order(0, name, reverse=reverse)
    values = run.values(0, name)[order]
    assert sorted(order.tolist()) == list(range(12))
    known = values[~np.isnan(values)]
    assert np.isnan(values[len(known) :]).all()
    assert (np.diff(known) * (1 if reverse else -1) >= 0).all()


def test_arrays_cannot_be_spoilt(run: ZeroShotRun) -> None:
    for array in (run.predicted(0), run.true_labels(), run.values(0, "margin")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_pandas_reads_it(folder: Path) -> None:
    table = pd.read_parquet(folder / "samples.parquet")
    with ZeroShotRun.open(folder) as run:
        summary = run.prompts[0].summary
    assert summary is not None
    known = table[table.label.notna()]
    assert (known.p0_true_rank == 1).mean() == pytest.approx(summary.accuracy)
    assert (known.p0_true_rank <= 5).mean() == pytest.approx(summary.top5)


def test_a_run_without_any_true_class(tmp_path: Path) -> None:
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run", unknown=range(12))) as run:
        assert [prompt.summary for prompt in run.prompts] == [None] * 3
        assert run.manifest.comparisons == ()
        assert np.isnan(run.values(0, "correct")).all()


def test_fewer_labels_than_five(tmp_path: Path) -> None:
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run", names=("dog", "cat"))) as run:
        assert len(run.top(0, 0)) == 2
    with ZeroShotRun.open(make_zeroshot_run(tmp_path / "run", names=("dog",))) as run:
        assert run.top(0, 0) == ((0, 1.0),)
        assert run.values(0, "margin")[0] == 1.0


def test_what_is_not_there_is_said(run: ZeroShotRun) -> None:
    for ask in (lambda: run.name(12), lambda: run.top(-1, 0), lambda: run.top(0, 3), lambda: run.values(-1, "margin")):
        with pytest.raises(IndexError):
            ask()
    with pytest.raises(UsageError, match=r"no value 'sureness' .* it has: confidence, true_probability"):
        run.values(0, "sureness")
    with pytest.raises(KeyError):
        run.texts("caption")


def test_a_closed_run_says_so(folder: Path) -> None:
    run = ZeroShotRun.open(folder)
    run.close()
    with pytest.raises(CacheError, match="was closed"):
        run.name(0)


# One place, two kinds of runs


def test_each_reader_names_the_other_kind(folder: Path, tmp_path: Path) -> None:
    captions = make_cache(tmp_path / "captions")
    with pytest.raises(CacheNotFound, match="captions is a cache of captions, no zero-shot run; open it"):
        ZeroShotRun.open(captions)
    for opener in (Cache.open, open_cache):
        with pytest.raises(
            CacheNotFound, match=r"run is a zero-shot run and has no captions; hw3 topfive draws it, .*"
        ):
            opener(folder)


def test_writing_replaces_a_zero_shot_run_only(tmp_path: Path) -> None:
    run = ZeroShotRun.open(make_zeroshot_run(tmp_path / "run"))
    assert not run.replaced()
    make_zeroshot_run(tmp_path / "run", count=5)
    assert run.replaced()
    with pytest.raises(CacheError, match="was replaced by another one or removed"):
        run.preview(0)
    with ZeroShotRun.open(tmp_path / "run") as again:
        assert len(again) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def _captions(folder: Path) -> None:
    make_cache(folder)


def _unfinished(folder: Path) -> None:
    CacheWriter(folder, {"plan": 1}, 3).close()


def _notes(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


def _app(folder: Path) -> None:
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "a web app"')


def _file(folder: Path) -> None:
    folder.write_text("mine")


@pytest.mark.parametrize("somebody", [_captions, _unfinished, _notes, _app, _file])
def test_anything_else_is_never_touched(tmp_path: Path, somebody: Callable[[Path], None]) -> None:
    somebody(tmp_path / "run")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(CacheError, match=r"give a(nother)? folder"):
        make_zeroshot_run(tmp_path / "run")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_crash_leaves_the_old_run_and_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_zeroshot_run(tmp_path / "run", count=5)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("hw3_browse.cache.zeroshot.writer._write_table", crash)
        with pytest.raises(KeyboardInterrupt):
            make_zeroshot_run(tmp_path / "run")
    with ZeroShotRun.open(tmp_path / "run") as run:
        assert len(run) == 5
    make_zeroshot_run(tmp_path / "run")
    with ZeroShotRun.open(tmp_path / "run") as run:
        assert len(run) == 12
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# Damage


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "run"))


def test_a_missing_or_cut_file(broken: Path) -> None:
    table = broken / "samples.parquet"
    table.write_bytes(table.read_bytes()[:-5])
    with pytest.raises(CacheDamaged, match="it was cut short or altered"):
        ZeroShotRun.open(broken)
    table.unlink()
    with pytest.raises(CacheDamaged, match=r"samples.parquet is missing"):
        ZeroShotRun.open(broken)
    with pytest.raises(CacheNotFound, match="no such folder"):
        ZeroShotRun.open(broken / "nothing")
    (broken / "manifest.json").write_bytes(b"\xff")
    with pytest.raises(CacheDamaged, match="is not text"):
        ZeroShotRun.open(broken)


def test_a_preview_that_is_none(broken: Path) -> None:
    (broken / folders.preview_file(2)).write_bytes(b"GIF")
    with ZeroShotRun.open(broken) as run, pytest.raises(CacheDamaged, match="is not a JPEG"):
        run.preview(2)


_FORGED: dict[str, tuple[pa.Array, Callable[[ZeroShotRun], object]]] = {
    "label": (pa.array([7] * 12), lambda run: run.true_label(0)),
    "p0_top": (pa.array([[0, 1, 2, 3, 9]] * 12), lambda run: run.predicted(0)),
    "p1_top": (pa.array([[0, 1]] * 12), lambda run: run.top(0, 1)),
    "p0_probability": (pa.array([0.5] * 12), lambda run: run.top(0, 0)),
    "p0_true_rank": (pa.array([8] * 12), lambda run: run.true_rank(0, 0)),
    "p0_margin": (pa.array(["wide"] * 12), lambda run: run.values(0, "margin")),
    "width": (pa.array([0] * 12), lambda run: run.size(0)),
    "name": (pa.array([None] * 12, pa.string()), lambda run: run.name(0)),
    "path": (pa.array(range(12)), lambda run: run.path(0)),
}


@pytest.mark.parametrize("column", _FORGED)
def test_a_forged_column(broken: Path, column: str) -> None:
    forged, ask = _FORGED[column]
    file = broken / "samples.parquet"
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.schema.names.index(column), column, forged), file)
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["files"]["samples.parquet"] = file.stat().st_size
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with ZeroShotRun.open(broken) as run, pytest.raises(CacheDamaged, match=r"^[^\n]+$"):
        ask(run)


def test_a_later_version_says_what_to_do(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text()) | {"format_version": 2}
    with pytest.raises(CacheNewer, match="has format 2, this program reads up to 1; upgrade with"):
        Manifest.from_json(json.dumps(content), "here")


def test_the_manifest_round_trips(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    assert Manifest.from_json(text, "here").to_json() == text


@given(st.data())
def test_a_manifest_with_any_value_replaced_is_read_or_refused_in_one_line(folder: Path, data: st.DataObject) -> None:
    content = copy.deepcopy(json.loads((folder / "manifest.json").read_text()))
    holder: Any = content
    while True:
        keys = st.sampled_from(sorted(holder)) if isinstance(holder, dict) else st.integers(0, len(holder) - 1)
        key = data.draw(keys)
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    numbers = st.integers(-3, 20) | st.just(10**400) | st.floats()
    holder[key] = data.draw(st.none() | st.booleans() | numbers | st.text(max_size=3) | st.just([]))
    try:
        Manifest.from_json(json.dumps(content), "here")
    except CacheError as error:
        assert "\n" not in str(error)  # noqa: PT017 (most replacements are harmless)


def test_opening_one_imports_little(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hw3_browse.cache.zeroshot import ZeroShotRun;"
        "run = ZeroShotRun.open(Path(sys.argv[1])); len(run), run.labels;"
        "print([name for name in ('torch', 'pyarrow', 'textual', 'pandas', 'PIL') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
