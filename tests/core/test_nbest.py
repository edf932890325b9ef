"""N-best and samples from the captioner to the cache, with tiny untrained models."""

from __future__ import annotations

from pathlib import Path

import pytest
from models import tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.reader import Cache
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cli import main
from hw3_browse.core.datasets import load_image, open_dataset
from hw3_browse.core.decoding import Decoding, decode

COUNT = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_dataset(folder, COUNT)
    tiny_captioner().save(folder / "captioner")
    write_clip(folder / "clip")
    return folder


def run(world: Path, out: Path, *options: str) -> Path:
    models = ["--captioner", str(world / "captioner"), "--clip", str(world / "clip"), "--device", "cpu"]
    plain = ["--metrics", "", "--workers", "1", "--out", str(out)]
    assert main(["precompute", str(world / "images"), *models, *plain, *options]) == 0
    return out


def test_beams_leave_their_alternatives_in_the_cache(world: Path, tmp_path: Path) -> None:
    captioner = Captioner.load(world / "captioner")
    decoding = Decoding(beams=4, keep=3, max_length=8, no_repeat_ngram=1)
    options = ["--beams", "4", "--keep", "3", "--max-length", "8", "--no-repeat-ngram", "1"]
    dataset = open_dataset(world / "images")
    with Cache.open(run(world, tmp_path / "run", *options)) as cache:
        assert cache.manifest.plan["decoding"] == decoding.to_json()
        for item in dataset:
            memory = captioner.encode(captioner.preprocess(load_image(dataset.file(item)))[None])
            best, *others = decode(captioner, memory, decoding)[0]
            sample = cache.sample(item.index)
            assert sample.token_ids == best.token_ids
            assert [one.caption for one in sample.alternatives] == [
                captioner.tokenizer.decode(one.token_ids).text for one in others
            ]
            assert [one.score for one in sample.alternatives] == pytest.approx([one.score for one in others], abs=1e-4)


def test_samples_do_not_depend_on_the_batch(world: Path, tmp_path: Path) -> None:
    options = ["--sample", "--top-p", "0.9", "--seed", "4", "--keep", "2", "--max-length", "10"]
    one = run(world, tmp_path / "one", *options, "--batch", "1")
    four = run(world, tmp_path / "four", *options, "--batch", "4")
    other = run(world, tmp_path / "other", *[word.replace("4", "5") for word in options])
    with Cache.open(one) as first, Cache.open(four) as second, Cache.open(other) as third:
        found = [
            [
                (cache.sample(index).token_ids, *(a.caption for a in cache.sample(index).alternatives))
                for index in range(COUNT)
            ]
            for cache in (first, second, third)
        ]
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert any(len(entry) == 2 for entry in found[0])


def test_what_excludes_each_other_is_said_before_anything_is_written(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["precompute", str(world / "images"), "--captioner", str(world / "captioner")]
    for options, message in (
        (["--top-p", "0.9"], "sampling alone"),
        (["--sample", "--beams", "3"], "exclude each other"),
        (["--keep", "3"], "take more beams"),
    ):
        assert main([*arguments, *options, "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
