"""One cache by several processes: equal to one process's, whoever is lost on the way."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from launching import content, launch, write_program
from models import tiny_captioner, write_clip, write_dataset

from hw3_browse.cache.errors import DatasetError, UsageError
from hw3_browse.cache.live import open_cache
from hw3_browse.cache.shards import shards_folder
from hw3_browse.core import precompute, sharding
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cli import main
from hw3_browse.core.clip import ClipSpec
from hw3_browse.core.config import build, read_toml
from hw3_browse.core.datasets import Item, open_dataset
from hw3_browse.core.distributed import World, world
from hw3_browse.core.precompute import Options, Precompute
from hw3_browse.core.sharding import Roll, blocks_of, dealt
from hw3_browse.core.train_config import TrainConfig
from hw3_browse.core.training import train

COUNT = 11


@pytest.fixture(scope="module", autouse=True)
def _rounded_alike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, as torchrun has it, also for the texts that are kept: several may round sums differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("kept")))
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, a captioner and a CLIP."""
    folder = tmp_path_factory.mktemp("world")
    write_dataset(folder, COUNT)
    tiny_captioner().save(folder / "captioner")
    write_clip(folder / "clip")
    return folder


def prepare(models: Path, of: World, **options: Any) -> Precompute:
    dataset = open_dataset(models / "images", models / "captions.json")
    settings = {"batch": 2, "workers": 1, "device": "cpu", "metrics": ("cider", "bleu"), **options}
    return Precompute(dataset, models / "captioner", ClipSpec(str(models / "clip")), Options(**settings, world=of))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pictures that are read from now on."""
    read: list[int] = []
    load = Precompute._load

    def counting(self: Precompute, item: Item, **how: bool) -> Any:
        read.append(item.index)
        return load(self, item, **how)

    monkeypatch.setattr(Precompute, "_load", counting)
    return read


@pytest.fixture(scope="module")
def alone(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What one process writes. Embeddings that it keeps are not the others': each folder of a cache is its own."""
    return content(prepare(models, World()).run(tmp_path_factory.mktemp("alone") / "cache"))


@pytest.mark.parametrize("size", [2, 9])
def test_the_cache_of_several_is_that_of_one(models: Path, tmp_path: Path, alone: Mapping[str, Any], size: int) -> None:
    out = tmp_path / "cache"
    for rank in reversed(range(size)):
        prepare(models, World(rank, size)).run(out)
    assert content(out) == alone
    assert not shards_folder(out).exists()


def test_what_a_lost_process_left_is_done_by_the_first(
    models: Path, tmp_path: Path, alone: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    load = Precompute._load

    def broken(self: Precompute, item: Item, **how: bool) -> Any:
        if item.index == 7:
            raise DatasetError("the drive is gone")
        return load(self, item, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Precompute, "_load", broken)
        with pytest.raises(DatasetError, match="drive"):
            prepare(models, World(1, 2)).run(tmp_path / "cache")
    done = counted(monkeypatch)
    monkeypatch.setattr(precompute, "SharedCache", partial(sharding.SharedCache, silence=0.1))
    found = content(prepare(models, World(0, 2)).run(tmp_path / "cache"))
    assert found["attention"] == alone["attention"]
    assert found["samples.parquet"] == alone["samples.parquet"]
    assert sorted(done) == [0, 1, 4, 5, 6, 7, 8, 9, 10]  # its own, and what is left of the other's
    assert "other processes have ended without doing 3 pictures: done here" in capsys.readouterr().err


def test_another_number_of_processes_goes_on_with_what_there_is(
    models: Path, tmp_path: Path, alone: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cache"
    prepare(models, World(1, 3)).run(out)
    prepare(models, World(2, 3)).run(out)
    done = counted(monkeypatch)
    found = content(prepare(models, World()).run(out))
    assert done == [0, 1, 6, 7]
    assert found["samples.parquet"] == alone["samples.parquet"]
    assert sorted(found["attention"]) == sorted(alone["attention"])


def test_shards_of_another_plan_are_left_alone(models: Path, tmp_path: Path, alone: Mapping[str, Any]) -> None:
    prepare(models, World(1, 2), prefix="A photo depicts ").run(tmp_path / "cache")
    prepare(models, World(1, 2)).run(tmp_path / "cache")
    assert content(prepare(models, World(0, 2)).run(tmp_path / "cache")) == alone


def test_one_sees_the_pictures_of_all_while_it_runs(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(models, World(1, 2)).run(tmp_path / "cache")
    seen: list[int] = []
    wait = sharding.Gathering.wait

    def looking(self: sharding.Gathering, *given: Any) -> None:
        with open_cache(tmp_path / "cache") as live:
            seen.append(len(live))
        wait(self, *given)

    monkeypatch.setattr(sharding.Gathering, "wait", looking)
    prepare(models, World(0, 2)).run(tmp_path / "cache")
    assert seen == [COUNT]


def test_batches_of_any_size_leave_nothing_out(
    models: Path, tmp_path: Path, alone: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precompute, "_BLOCK", 3)
    for rank in (1, 0):
        prepare(models, World(rank, 2), batch="auto").run(tmp_path / "cache")
    with open_cache(tmp_path / "cache") as cache:
        assert len(cache) == COUNT
        assert cache.texts("caption").to_pylist() == alone["captions"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, World()),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, World(3, 8, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, World(3, 8, 0)),
        ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "2"}, World(2, 4, 2)),
        # a batch script that was not started by srun
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"}, World()),
        # torchrun, started by srun once a machine
        (
            {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"},
            World(5, 8, 1),
        ),
    ],
)
def test_which_process_it_is(environment: Mapping[str, str], expected: World) -> None:
    assert world(environment) == expected


@pytest.mark.parametrize("rank", ["2", "-1", "x"])
def test_what_cannot_be_is_one_line(rank: str) -> None:
    with pytest.raises(UsageError, match="RANK"):
        world({"RANK": rank, "WORLD_SIZE": "2"})


def test_what_cannot_be_shared_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.startswith("hw3 doctor: process 1 of 2: 2 processes cannot share it")


def test_every_block_is_dealt_once() -> None:
    blocks = blocks_of(range(25), 4)
    shares = [dealt(blocks, World(rank, 3)) for rank in range(3)]
    assert sorted(number for share in shares for block in share for number in block) == list(range(25))


def test_who_is_silent_for_long_is_lost(tmp_path: Path) -> None:
    now = 0.0
    first = Roll(tmp_path / "_", World(0, 3), silence=10.0, clock=lambda: now)
    first.file(1).write_text("left by an earlier run")
    first.call()
    assert first.awaited() == [1, 2]
    now = 8.0
    first.file(1).write_text("1")
    assert first.awaited() == [1, 2]
    now = 11.0
    assert first.awaited() == [1]  # of 2 nothing was ever seen
    with Roll(tmp_path / "_", World(2, 3)).at_work():
        assert first.awaited() == [1, 2]
    assert first.awaited() == [1]  # it has said that it ended
    now = 19.0
    assert first.awaited() == []


def arguments(models: Path, out: Path) -> list[str]:
    """Of `hw3`, as `prepare`."""
    files = [str(models / name) for name in ("images", "captions.json", "captioner", "clip")]
    return [
        "precompute", *files[:2], "--captioner", files[2], "--clip", files[3], "--metrics", "cider,bleu",
        "--batch", "2", "--workers", "1", "--device", "cpu", "--out", str(out),
    ]  # fmt: skip


def test_after_kill_9_of_one_process_the_same_commands_give_the_same_cache(
    models: Path, tmp_path: Path, alone: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cache"
    program = write_program(tmp_path, "precompute", "hw3_browse.cache.writer:CacheWriter.add_captioned")
    killed = launch([], program, [arguments(models, out)], RANK="1", WORLD_SIZE="2")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = counted(monkeypatch)
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert main(arguments(models, out)) == 0
    assert done == [6, 7, 10, 0, 1, 4, 5, 8, 9]  # 2 and 3 were done before it was killed
    assert content(out) == alone


SETTINGS = """
[data]
train_images = "{images}"
train_annotations = "{annotations}"
val_images = "{images}"
val_annotations = "{annotations}"
vocabulary = 60
[encoder]
name = "vit_tiny_patch16_224"
args = {{ img_size = 32, patch_size = 8, embed_dim = 24, depth = 1, num_heads = 2 }}
preprocess = {{ crop_pct = 1.0 }}
[decoder]
layers = 1
heads = 2
width = 32
max_length = 40
dropout = 0.0
[optim]
epochs = 3
batch = 7
captions = 2
lr = 1e-3
freeze_encoder = false
average = 0.9
save_minutes = 0.0
device = "cpu"
"""


def test_two_processes_under_torchrun(
    models: Path, tmp_path: Path, alone: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They write the cache of one, and learn the weights of one, also when one of them is killed in training."""
    settings, one, two = tmp_path / "settings.toml", tmp_path / "one", tmp_path / "two"
    settings.write_text(SETTINGS.format(images=models / "images", annotations=models / "captions.json"))
    train(build(TrainConfig, read_toml(settings, [])), one)
    two.mkdir()
    shutil.copy(one / "tokenizer.json", two)
    program = write_program(tmp_path, "train", "hw3_browse.core.training:Run.one_step")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    commands = [arguments(models, tmp_path / "cache"), ["train", str(settings), "--out", str(two)]]
    ended = launch(torchrun, program, commands)
    assert ended.returncode == 0, ended.stderr

    assert content(tmp_path / "cache") == alone
    assert not shards_folder(tmp_path / "cache").exists()
    assert ended.stdout.count(f"{COUNT} pictures | cider") == ended.stderr.count("open it: ") == 1

    assert ended.stdout.count("best checkpoint") == 1
    assert "of them before" in ended.stderr  # it went on, and did not begin anew
    wanted, found = (Captioner.load(run / "last").state_dict() for run in (one, two))
    for name, value in wanted.items():  # a tenth of what a step may change: Adam enlarges rounding of small gradients
        torch.testing.assert_close(without_noise(name, found[name]), without_noise(name, value), atol=1e-4, rtol=0)
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in (one, two)]
    assert logs[0] == [pytest.approx(row, abs=2e-4) for row in logs[1]]


def without_noise(name: str, value: torch.Tensor) -> torch.Tensor:
    """Without the biases of keys: they change no softmax, so that their gradient is rounding, which Adam enlarges."""
    if not name.endswith("in_proj_bias"):
        return value
    queries, _, values = value.chunk(3)
    return torch.cat([queries, values])
