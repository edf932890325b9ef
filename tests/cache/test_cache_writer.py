"""Writing: round trip, resuming, kill -9, overwriting, and what is refused."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fakes import (
    CAPTIONS,
    SCORES,
    fake_embedding,
    fake_plan,
    fake_row,
    fake_scores,
    make_cache,
)
from PIL import Image

from hw3_browse.cache import folders
from hw3_browse.cache import writer as writer_module
from hw3_browse.cache.errors import CacheError, CacheNotFound, CacheUnfinished
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import Captioned, CaptionRow, Score
from hw3_browse.cache.writer import CacheWriter

COUNT = 8


def rows(count: int = COUNT, seed: int = 0) -> list[Captioned]:
    return [fake_row(index, CAPTIONS[index % len(CAPTIONS)], seed) for index in range(count)]


def finish(writer: CacheWriter, done: list[Captioned], seed: int = 0) -> Path:
    return writer.finish(fake_scores(done, seed), SCORES, corpus={}, versions={})


def write_all(folder: Path, seed: int = 0, **options: bool) -> Path:
    with CacheWriter(folder, fake_plan(COUNT), COUNT, **options) as writer:
        writer.add_captioned(rows(seed=seed))
        writer.add_embeddings([(index, fake_embedding(index)) for index in range(COUNT)])
        return finish(writer, rows(seed=seed), seed)


def same(left: Path, right: Path) -> None:
    """Two caches hold the same."""
    assert pq.read_table(left / "samples.parquet").equals(pq.read_table(right / "samples.parquet"))
    assert pq.read_table(left / "embeddings.parquet").equals(pq.read_table(right / "embeddings.parquet"))
    with Cache.open(left) as one, Cache.open(right) as other:
        assert len(one) == len(other)
        for index in range(len(one)):
            np.testing.assert_array_equal(one.attention(index).weights, other.attention(index).weights)
            assert one.preview(index) == other.preview(index)


# Round trip


@pytest.mark.parametrize("exact", [False, True])
def test_everything_comes_back(tmp_path: Path, exact: bool) -> None:
    given = rows()
    folder = write_all(tmp_path / "deep" / "run", exact=exact)
    scores = fake_scores(given)
    with Cache.open(folder) as cache:
        assert len(cache) == COUNT
        assert cache.manifest.plan == fake_plan(COUNT)
        assert cache.score_names == tuple(score.name for score in SCORES)
        for row in given:
            sample = cache.sample(row.index)
            for field in fields(CaptionRow):
                assert getattr(sample, field.name) == getattr(row, field.name), field.name
            for name, values in scores.items():
                np.testing.assert_equal(sample.scores[name], values[row.index])
            assert (cache.name(row.index), cache.caption(row.index)) == (row.name, row.caption)
            assert cache.preview(row.index) == row.preview
            found = cache.attention(row.index)
            assert (found.prefix, found.rows, found.cols) == (1, 4, 5)
            np.testing.assert_allclose(found.weights, row.attention, atol=1e-3 if exact else 0.01)


def test_only_the_files_of_the_format_stay(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "run")
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "samples.parquet",
        "attention.sqlite",
        "embeddings.parquet",
        "previews",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_others_read_it_without_us(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    folder = write_all(tmp_path / "run")
    table = pandas.read_parquet(folder / "samples.parquet")
    best = table.sort_values("clipscore", ascending=False).iloc[0]
    with Cache.open(folder) as cache:
        assert best["index"] == cache.order("clipscore")[0]
    assert table["cider"].isna().sum() == 1  # picture 4 has no references
    with Image.open(folder / "previews/0000/0000002.jpg") as preview:
        assert preview.size == (256, 256)
    embeddings = np.stack(pandas.read_parquet(folder / "embeddings.parquet")["embedding"])
    np.testing.assert_allclose(embeddings[3], fake_embedding(3), atol=1e-3)
    attention = sqlite3.connect(folder / "attention.sqlite")
    assert attention.execute("SELECT count(*), sum(layers), sum(heads) FROM attention").fetchone() == (
        8,
        16,
        24,
    )
    attention.close()


def test_texts_and_embeddings_come_back_before_the_end(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", fake_plan(COUNT), COUNT) as writer:
        writer.add_captioned(list(reversed(rows())))
        texts = list(writer.texts())
        assert [row.index for row in texts] == list(range(COUNT))
        assert texts[6].caption == CAPTIONS[6]
        assert texts[6].view == rows()[6].view
        writer.add_embeddings([(index, fake_embedding(index)) for index in reversed(range(COUNT))])
        expected = np.stack([fake_embedding(index) for index in range(COUNT)])
        np.testing.assert_allclose(writer.embeddings(), expected, atol=1e-3)
        assert writer.embeddings().dtype == np.float32


def test_a_run_without_clip_has_no_embeddings(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", fake_plan(2), 2) as writer:
        writer.add_captioned(rows(2))
        folder = writer.finish({}, (), {"cider": math.nan}, {})
    assert not (folder / "embeddings.parquet").exists()
    with Cache.open(folder) as cache:
        assert cache.sample(1).scores == {}
        assert math.isnan(cache.manifest.corpus["cider"])


def test_an_empty_caption_without_tokens(tmp_path: Path) -> None:
    row = replace(
        fake_row(0, ""), token_ids=(), pieces=(), word_of_piece=(), words=(), logprobs=(),
        attention=np.zeros((0, 2, 3, 21), np.float32), references=("",),
    )  # fmt: skip
    with CacheWriter(tmp_path / "run", {}, 1) as writer:
        writer.add_captioned([row])
        folder = writer.finish({}, (), {}, {})
    with Cache.open(folder) as cache:
        assert cache.sample(0).words == ()
        assert cache.attention(0).weights.shape == (0, 2, 3, 21)


def test_names_of_strangers_make_no_files(tmp_path: Path) -> None:
    row = replace(fake_row(0, "x"), name="../../evil\n\x1b[31m", path="caf\udce9/evil.jpg")
    with CacheWriter(tmp_path / "run", {}, 1) as writer:
        writer.add_captioned([row])
        folder = writer.finish({}, (), {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    with Cache.open(folder) as cache:
        assert cache.name(0) == row.name
        assert cache.sample(0).path == "caf\ufffd/evil.jpg"  # Parquet holds UTF-8 only
        assert cache.find(row.name) == 0


# Resuming


def test_an_unfinished_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with CacheWriter(folder, fake_plan(COUNT), COUNT) as writer:
        writer.add_captioned(rows()[:3])
    with pytest.raises(CacheUnfinished, match="goes on where it stopped"):
        Cache.open(folder)
    with CacheWriter(folder, fake_plan(COUNT), COUNT) as writer:
        assert writer.captioned() == {0, 1, 2}
        writer.add_captioned(rows()[3:])
        writer.add_embeddings([(5, fake_embedding(5))])
    with CacheWriter(folder, fake_plan(COUNT), COUNT) as writer:
        assert writer.captioned() == frozenset(range(COUNT))
        assert writer.embedded() == {5}
        writer.add_embeddings([(index, fake_embedding(index)) for index in range(COUNT)])
        finish(writer, rows())
    same(folder, write_all(tmp_path / "at once"))


def test_adding_again_replaces(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", fake_plan(1), 1) as writer:
        writer.add_captioned([fake_row(0, "an old caption")])
        writer.add_captioned([fake_row(0, "a new one that is longer")])
        folder = writer.finish({}, (), {}, {})
    with Cache.open(folder) as cache:
        assert cache.caption(0) == "a new one that is longer"
        assert cache.attention(0).weights.shape[0] == len(cache.sample(0).token_ids)


def test_tuples_in_a_plan_are_lists(tmp_path: Path) -> None:
    CacheWriter(tmp_path / "run", {"metrics": ("bleu", "cider")}, 1).close()
    CacheWriter(tmp_path / "run", {"metrics": ["bleu", "cider"]}, 1).close()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"captioner": {**fake_plan(COUNT)["captioner"], "sha256": "1" * 64}}, 'captioner.sha256: "0000'),
        ({"clip": None}, 'clip: {"model"'),
        ({"decoding": {"strategy": "beam"}}, "decoding.max_tokens: only in the folder"),
        ({"seed": 1}, "plan.seed: only in this run"),
    ],
)
def test_another_plan_is_named(tmp_path: Path, change: dict, line: str) -> None:
    CacheWriter(tmp_path / "run", fake_plan(COUNT), COUNT).close()
    with pytest.raises(CacheError, match="unfinished run of another plan") as caught:
        CacheWriter(tmp_path / "run", fake_plan(COUNT) | change, COUNT)
    assert line in str(caught.value)
    assert "--overwrite" in str(caught.value)


def test_another_codec_or_count_is_another_plan(tmp_path: Path) -> None:
    CacheWriter(tmp_path / "run", {}, COUNT).close()
    with pytest.raises(CacheError, match=r'attention codec: "u8-sqrt" in the folder, "f16" in this run'):
        CacheWriter(tmp_path / "run", {}, COUNT, exact=True)
    with pytest.raises(CacheError, match="count: 8 in the folder, 9 in this run"):
        CacheWriter(tmp_path / "run", {}, COUNT + 1)


def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", {}, COUNT):
        script = (
            "import sys; from pathlib import Path; from hw3_browse.cache.writer import CacheWriter\n"
            "from hw3_browse.cache.errors import CacheError\n"
            "try: CacheWriter(Path(sys.argv[1]), {}, 8)\n"
            "except CacheError as error: print(error)\n"
        )
        found = subprocess.run(
            [sys.executable, "-c", script, tmp_path / "run"], capture_output=True, text=True, check=True
        )
    assert "another process is writing this cache" in found.stdout
    CacheWriter(tmp_path / "run", {}, COUNT).close()


def start_writer(folder: Path, count: int) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("killed_writer.py")
    return subprocess.Popen(
        [sys.executable, str(script), str(folder), str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(script.parents[1])},
    )


@pytest.fixture(scope="module")
def nine_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What killed_writer.py makes when nobody kills it."""
    folder = tmp_path_factory.mktemp("nine") / "run"
    with start_writer(folder, 9) as process:
        process.communicate()
    assert process.returncode == 0
    return folder


@pytest.mark.parametrize("steps", [0, 2, 9, 15])
def test_kill_9_loses_nothing_that_was_reported(tmp_path: Path, nine_pictures: Path, steps: int) -> None:
    """Kill after a number of durable steps: 5 batches of captions, then 9 embeddings, then finish."""
    count, folder = 9, tmp_path / "run"
    with start_writer(folder, count) as process:
        assert process.stdout is not None
        reported = [process.stdout.readline().split() for _ in range(steps)]
        process.send_signal(signal.SIGKILL)
    if not (folder / "manifest.json").exists():  # the last of the kills may come too late
        with pytest.raises((CacheUnfinished, CacheNotFound)):
            Cache.open(folder)
        with CacheWriter(folder, fake_plan(count), count) as writer:
            known = {"captioned": writer.captioned(), "embedded": writer.embedded(), "finishing": frozenset()}
        assert all({int(index) for index in indices} <= known[kind] for kind, *indices in reported)
        with start_writer(folder, count) as process:
            process.communicate()
        assert process.returncode == 0
    same(folder, nine_pictures)


@pytest.mark.parametrize("step", ["write_previews", "_tables", "replace_file"])
def test_a_crash_while_finishing_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    owner = {"write_previews": folders, "_tables": CacheWriter, "replace_file": writer_module}[step]
    with monkeypatch.context() as broken:
        broken.setattr(owner, step, crash)
        with pytest.raises(KeyboardInterrupt):
            write_all(tmp_path / "run")
    (tmp_path / "run" / ".samples.parquet.1.tmp").write_text("left by a process that was killed")
    with pytest.raises(CacheUnfinished):
        Cache.open(tmp_path / "run")
    with CacheWriter(tmp_path / "run", fake_plan(COUNT), COUNT) as writer:
        finish(writer, rows())
    assert not list((tmp_path / "run").glob(".*"))
    same(tmp_path / "run", write_all(tmp_path / "at once"))


# Overwriting


def test_a_finished_cache_is_not_touched(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "run")
    with pytest.raises(CacheError, match="holds a finished cache; open it with hw3-browse"):
        CacheWriter(folder, fake_plan(COUNT), COUNT)
    same(folder, write_all(tmp_path / "other"))


def test_the_old_cache_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "run")
    other = fake_plan(COUNT, seed=1)
    with CacheWriter(folder, other, COUNT, overwrite=True) as writer:
        writer.add_captioned(rows(seed=1)[:3])
    same(folder, write_all(tmp_path / "expected"))
    old = Cache.open(folder)
    assert old.caption(0) == CAPTIONS[0]
    read = old.scores("clipscore")
    with CacheWriter(folder, other, COUNT, overwrite=True) as writer:
        assert writer.captioned() == {0, 1, 2}  # resumed beside the good one
        writer.add_captioned([replace(row, caption="new") for row in rows(seed=1)])
        finish(writer, rows(seed=1), 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "run"]
    with Cache.open(folder) as new:
        assert new.caption(0) == "new"
        assert not new.replaced()
    # Who still has the old one open keeps its texts, and never sees the new pictures or scores beside them.
    assert old.replaced()
    assert old.caption(1) == CAPTIONS[1]
    assert old.scores("clipscore") is read
    with pytest.raises(CacheError, match="was replaced by another run"):
        old.scores("cider")
    with pytest.raises(CacheError, match="was replaced by another run"):
        old.preview(0)
    with pytest.raises(CacheError, match="was replaced by another run"):
        old.attention(0)  # not opened before
    old.close()


def test_a_stale_folder_beside_is_dropped(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "run")
    with CacheWriter(folder, fake_plan(COUNT, seed=1), COUNT, overwrite=True) as writer:
        writer.add_captioned(rows(seed=1))
    with CacheWriter(folder, fake_plan(COUNT, seed=2), COUNT, overwrite=True) as writer:
        assert writer.captioned() == frozenset()


def test_overwrite_an_unfinished_run_of_another_plan(tmp_path: Path) -> None:
    CacheWriter(tmp_path / "run", {"old": 1}, COUNT).close()
    folder = write_all(tmp_path / "run", overwrite=True)
    same(folder, write_all(tmp_path / "expected"))
    assert not (folder / "work.sqlite").exists()


def test_overwrite_resumes_an_unfinished_run_of_the_same_plan(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", fake_plan(COUNT), COUNT) as writer:
        writer.add_captioned(rows()[:2])
    with CacheWriter(tmp_path / "run", fake_plan(COUNT), COUNT, overwrite=True) as writer:
        assert writer.captioned() == {0, 1}


def test_a_crash_between_the_two_renames_is_repaired(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "run")
    folder.rename(tmp_path / ".run.old")
    with pytest.raises(CacheError, match="finished cache"):
        CacheWriter(folder, fake_plan(COUNT), COUNT)
    assert len(Cache.open(folder)) == COUNT


# What is refused


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_never_touched(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CacheError, match="is not empty and holds no cache"):
        CacheWriter(tmp_path, {}, 1, overwrite=overwrite)
    with pytest.raises(CacheError, match="is a file; give a folder"):
        CacheWriter(tmp_path / "thesis.tex", {}, 1, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_foreign_manifest_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(CacheError, match="holds no cache"):
        CacheWriter(tmp_path / "app", {}, 1, overwrite=True)
    assert json.loads((tmp_path / "app" / "manifest.json").read_text()) == {"name": "a web app"}


def test_unwritable_places_give_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot write the cache"):
        CacheWriter(tmp_path / "file" / "run", {}, 1)


def test_a_damaged_working_file_gives_one_line(tmp_path: Path) -> None:
    CacheWriter(tmp_path / "run", {}, 1).close()
    (tmp_path / "run" / "work.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 30)
    with pytest.raises(CacheError, match=r"is damaged.*; delete it and start again"):
        CacheWriter(tmp_path / "run", {}, 1)


@pytest.mark.parametrize("path", ["../a.jpg", "/etc/passwd", "a/../../b.jpg", ""])
def test_paths_that_leave_the_dataset(tmp_path: Path, path: str) -> None:
    with CacheWriter(tmp_path / "run", {}, 1) as writer:
        with pytest.raises(CacheError, match="leaves the dataset's image folder"):
            writer.add_captioned([replace(fake_row(0, "x"), path=path)])
        assert writer.captioned() == frozenset()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"index": COUNT}, "is not among the 8"),
        ({"index": -1}, "is not among the 8"),
        ({"token_ids": (1,)}, "differ in length"),
        ({"word_of_piece": (0, 9, -1)}, "outside of its 2 words"),
        ({"prefix": 0}, "20 positions"),
        ({"preview": b"\x89PNG"}, "not a JPEG"),
        ({"attention": np.full((3, 2, 3, 21), np.nan, np.float32)}, "finite"),
        ({"attention": np.ones((2, 2, 3, 21), np.float32)}, "expected attention"),
        ({"attention": np.ones((3, 21), np.float32)}, "expected attention"),
    ],
)
def test_records_that_contradict_themselves(tmp_path: Path, change: dict, line: str) -> None:
    with CacheWriter(tmp_path / "run", {}, COUNT) as writer:
        with pytest.raises(ValueError, match=line):
            writer.add_captioned([fake_row(1, "fine"), replace(fake_row(0, "two words"), **change)])
        assert writer.captioned() == frozenset()


def test_all_pictures_have_attention_of_one_shape(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", {}, COUNT) as writer:
        writer.add_captioned([fake_row(0, "x")])
        with pytest.raises(ValueError, match=r"attention: expected .*'heads': 3.* found .*'heads': 4"):
            writer.add_captioned([fake_row(1, "x", heads=4)])
        with pytest.raises(ValueError, match="attention: expected"):
            writer.add_captioned([fake_row(1, "x", grid=(5, 4))])
        writer.add_embeddings([(0, fake_embedding(0))])
        with pytest.raises(ValueError, match="dim: expected"):
            writer.add_embeddings([(1, fake_embedding(1, dim=9))])
        with pytest.raises(ValueError, match="is not among"):
            writer.add_embeddings([(8, fake_embedding(8))])


def test_an_incomplete_run_cannot_be_finished(tmp_path: Path) -> None:
    with CacheWriter(tmp_path / "run", fake_plan(COUNT), COUNT) as writer:
        writer.add_captioned(rows()[:-2])
        with pytest.raises(CacheError, match="2 of 8 pictures have no caption yet"):
            finish(writer, rows())
        writer.add_captioned(rows()[-2:])
        writer.add_embeddings([(0, fake_embedding(0))])
        with pytest.raises(CacheError, match="7 of 8 pictures have no image embedding yet"):
            finish(writer, rows())
    with pytest.raises(CacheUnfinished):
        Cache.open(tmp_path / "run")


@pytest.mark.parametrize(
    ("scores", "names", "line"),
    [
        ({"cider": np.zeros(COUNT)}, [], "are described as"),
        ({}, ["cider"], "are described as"),
        ({"cider": np.zeros(COUNT - 1)}, ["cider"], r"expected shape \(8,\), found \(7,\)"),
        ({"caption": np.zeros(COUNT)}, ["caption"], "cannot be the name of a score"),
        ({"a b": np.zeros(COUNT)}, ["a b"], "cannot be the name of a score"),
    ],
)
def test_scores_that_do_not_fit(tmp_path: Path, scores: dict, names: list[str], line: str) -> None:
    with CacheWriter(tmp_path / "run", {}, COUNT) as writer:
        writer.add_captioned(rows())
        with pytest.raises(ValueError, match=line):
            writer.finish(scores, [Score(name, True, "") for name in names], {}, {})


def test_a_cache_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="at least one picture"):
        CacheWriter(tmp_path / "run", {}, 0)


def test_the_factory_is_deterministic(tmp_path: Path) -> None:
    same(make_cache(tmp_path / "a", 5), make_cache(tmp_path / "b", 5))
