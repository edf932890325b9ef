"""Runs of models that tell no attention, and perhaps no tokens: all or nothing for a whole run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import CAPTIONS, fake_embedding, fake_plan, fake_row, make_cache, text_alone

from hw3_browse.cache.errors import CacheDamaged
from hw3_browse.cache.live import LiveCache, open_cache
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import AttentionShape, Manifest
from hw3_browse.cache.shards import Shard
from hw3_browse.cache.writer import CacheWriter


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without attention and tokens."""
    return make_cache(tmp_path_factory.mktemp("plain") / "run", count=5, maps=False)


def test_everything_but_maps_comes_back(plain: Path) -> None:
    with Cache.open(plain) as cache:
        assert cache.manifest.attention is None
        assert cache.attention(3) is None
        assert cache.mean_map(3, [0]) is None
        sample = cache.sample(3)
        expected = fake_row(3, CAPTIONS[3])
        assert (sample.caption, sample.words, sample.view) == (expected.caption, expected.words, expected.view)
        assert sample.token_ids == sample.pieces == sample.word_of_piece == sample.logprobs == ()
        assert math.isnan(sample.scores["logprob"])
        assert cache.preview(3) == expected.preview


def test_files_are_those_that_are_needed(plain: Path) -> None:
    assert sorted(path.name for path in plain.iterdir()) == [
        "embeddings.parquet", "manifest.json", "previews", "samples.parquet",
    ]  # fmt: skip


def test_only_such_a_run_needs_the_newer_format(plain: Path, tmp_path: Path) -> None:
    content = json.loads((plain / "manifest.json").read_text())
    assert (content["format_version"], content["attention"]) == (2, None)
    assert "attention.sqlite" not in content["files"]
    usual = json.loads((make_cache(tmp_path / "usual", count=1) / "manifest.json").read_text())
    assert usual["format_version"] == 1


def test_a_manifest_that_says_nothing_of_attention_is_damaged(plain: Path) -> None:
    content = json.loads((plain / "manifest.json").read_text())
    del content["attention"]
    with pytest.raises(CacheDamaged, match="no 'attention'"):
        Manifest.from_json(json.dumps(content), "here")


@pytest.mark.parametrize("first", [0, 1])
def test_all_or_nothing(tmp_path: Path, first: int) -> None:
    rows = [fake_row(0, "a dog"), text_alone(fake_row(1, "a cat"))]
    with CacheWriter(tmp_path / "run", fake_plan(2), 2) as writer:
        writer.add_captioned([rows[first]])
        with pytest.raises(ValueError, match="attention: expected"):
            writer.add_captioned([rows[1 - first]])


def test_tokens_may_be_known_without_maps(tmp_path: Path) -> None:
    row = replace(fake_row(0, "a red dog"), attention=None)
    with CacheWriter(tmp_path / "run", fake_plan(1), 1) as writer:
        writer.add_captioned([row])
        writer.finish({}, [], {}, {})
    with Cache.open(tmp_path / "run") as cache:
        assert cache.sample(0).pieces == row.pieces
        assert cache.attention(0) is None


def test_grids_of_patches_may_differ(tmp_path: Path) -> None:
    """Nothing is drawn by them."""
    rows = [text_alone(fake_row(0, "a", grid=(4, 5))), text_alone(fake_row(1, "b", grid=(7, 7)))]
    with CacheWriter(tmp_path / "run", fake_plan(2), 2) as writer:
        writer.add_captioned(rows)
        writer.finish({}, [], {}, {})
    with Cache.open(tmp_path / "run") as cache:
        assert [cache.sample(index).view.rows for index in range(2)] == [4, 7]


def test_an_unfinished_run_can_be_looked_at_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    rows = [text_alone(fake_row(index, CAPTIONS[index])) for index in range(3)]
    with CacheWriter(folder, fake_plan(3), 3) as writer:
        writer.add_captioned(rows[:2])
    with open_cache(folder) as live:
        assert isinstance(live, LiveCache)
        assert live.manifest.attention is None
        assert live.attention(1) is None
        assert live.sample(1).words == rows[1].words
        assert np.isnan(live.scores("logprob")).all()
        assert live.order("logprob").tolist() == [0, 1]
    with CacheWriter(folder, fake_plan(3), 3) as writer:
        assert writer.captioned() == {0, 1}
        writer.add_captioned(rows[2:])
        writer.finish({}, [], {}, {})
    with open_cache(folder) as cache:
        assert isinstance(cache, Cache)
        assert len(cache) == 3


def test_it_takes_the_place_of_a_run_with_maps(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", count=2)
    make_cache(folder, count=2, maps=False, overwrite=True)
    with Cache.open(folder) as cache:
        assert cache.manifest.attention is None
    assert not (folder / "attention.sqlite").exists()
    make_cache(folder, count=2, overwrite=True)
    with Cache.open(folder) as cache:
        assert isinstance(cache.manifest.attention, AttentionShape)
        assert cache.attention(1) is not None


def test_several_processes_can_share_it(tmp_path: Path) -> None:
    rows = [text_alone(fake_row(index, CAPTIONS[index])) for index in range(2)]
    with CacheWriter(tmp_path / "shard", fake_plan(2), 2) as other:
        other.add_captioned(rows[:1])
        other.add_embeddings([(0, fake_embedding(0))])
        packed = Shard(tmp_path / "shard").refresh().rows([0])
    assert packed is not None
    with CacheWriter(tmp_path / "run", fake_plan(2), 2) as writer:
        writer.adopt(packed)
        with pytest.raises(ValueError, match="attention: expected"):
            writer.add_captioned([fake_row(1, CAPTIONS[1])])
        writer.add_captioned(rows[1:])
        writer.add_embeddings([(1, fake_embedding(1))])
        writer.finish({}, [], {}, {})
    with Cache.open(tmp_path / "run") as cache:
        assert cache.manifest.attention is None
        assert [cache.caption(index) for index in range(2)] == [row.caption for row in rows]
