"""Steps in parts, memory that runs out, the self-critical phase, and a run that is killed without warning."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import tiny_captioner, write_dataset
from safetensors.torch import load_file
from torch import Tensor

from hw3_browse.cache.errors import CheckpointError, UsageError
from hw3_browse.core import store
from hw3_browse.core.captioner import Captioner, CaptionerConfig
from hw3_browse.core.config import build
from hw3_browse.core.decoder import DecoderConfig
from hw3_browse.core.encoder import EncoderConfig
from hw3_browse.core.identity import checkpoint_identity
from hw3_browse.core.train_config import OptimConfig, TrainConfig
from hw3_browse.core.training import Pictures, Run, train
from hw3_browse.core.training.starting import started_from
from hw3_browse.core.training.steps import Steps


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "kept_dir", lambda: tmp_path / "kept")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    images, annotations = write_dataset(tmp_path / "data", count=8)
    return {
        "data": {
            "train_images": str(images), "train_annotations": str(annotations),
            "val_images": str(images), "val_annotations": str(annotations), "vocabulary": 60, "views": 3,
        },
        "encoder": {
            "name": "vit_tiny_patch16_224",
            "args": {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2},
            "preprocess": {"crop_pct": 1.0},
        },
        "decoder": {"layers": 1, "heads": 2, "width": 32, "max_length": 24},
        "optim": {"epochs": 2, "batch": 4, "captions": 2, "lr": 1e-3, "average": 0.9, "threads": 1, "device": "cpu"},
    }  # fmt: skip


def weights(run: Run) -> Tensor:
    return torch.cat([value.detach().flatten() for value in run.captioner.decoder.parameters()])


def test_a_step_in_parts_is_the_step_of_the_whole_batch(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["decoder"]["dropout"] = 0.0
    after = []
    for parts in (1, 3):  # three parts of a batch of four: 2 and 2
        settings["optim"]["accumulate"] = parts
        out = tmp_path / f"parts{parts}"
        out.mkdir()
        if parts > 1:
            shutil.copy(tmp_path / "parts1" / "tokenizer.json", out)
        run = Run(build(TrainConfig, settings), out)
        pictures = Pictures(run.train_set, run.captioner, run.config)
        losses = [run.one_step(pictures) for _ in range(3)]
        after.append((losses, weights(run)))
    assert after[0][0] == pytest.approx(after[1][0], rel=1e-5)
    torch.testing.assert_close(after[0][1], after[1][1], atol=1e-4, rtol=1e-4)


def test_the_next_steps_pictures_are_read_while_a_step_computes(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(build(TrainConfig, settings), tmp_path / "run")
    pictures = Pictures(run.train_set, run.captioner, run.config)
    read, taken = [], []
    reads, encodes = pictures.read, pictures.encoded

    def reading(indices: Any, drawn: Any) -> Tensor:
        read.append((threading.current_thread(), indices))
        return reads(indices, drawn)

    def encoding(captioner: Captioner, batch: Tensor, drawn: Any) -> Any:
        taken.append(batch)
        return encodes(captioner, batch, drawn)

    monkeypatch.setattr(pictures, "read", reading)
    monkeypatch.setattr(pictures, "encoded", encoding)
    for step in range(3):
        run.one_step(pictures)
        assert len(taken) == step + 1
        assert run._begun is not None
        assert run._begun.step == step + 1
    pictures._thread.shutdown()
    assert len(read) == 4
    assert {thread for thread, _ in read} & {threading.main_thread()} == set()
    assert [len(batch) for batch in taken] == [len(indices) for _, indices in read[:3]]


class _Small(torch.nn.Module):
    """Stands in for a captioner whose device holds two pictures at once."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3))
        self.device = torch.device("cpu")

    def loss(self, data: Tensor, part: slice, most: int) -> Tensor:
        if part.stop - part.start > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return ((self.weight - data[part]) ** 2).sum() / len(data)


def test_when_memory_runs_out_parts_get_smaller(capsys: pytest.CaptureFixture[str]) -> None:
    data = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    outcome, prepared = [], []
    for most in (8, 2):
        model = _Small()
        steps = Steps(model, OptimConfig(lr=0.1, weight_decay=0.0))  # type: ignore[arg-type]
        for _ in range(3):
            loss = steps.take(8, 1.0, lambda: prepared.append(1), lambda part: model.loss(data, part, most))  # noqa: B023
        outcome.append((loss, model.weight.detach().clone()))
    assert steps.parts == 4
    assert capsys.readouterr().err.splitlines() == [
        "GPU memory ran out: steps go on in 2 parts of 4 pictures",
        "GPU memory ran out: steps go on in 4 parts of 2 pictures",
    ]
    assert len(prepared) == 3 + 3 + 2  # the random state is set again for each attempt
    assert outcome[0][0] == pytest.approx(outcome[1][0], rel=1e-6)
    torch.testing.assert_close(outcome[0][1], outcome[1][1])
    again = Steps(_Small(), OptimConfig())  # type: ignore[arg-type]
    again.restore(steps.state())
    assert again.parts == 4  # a run that goes on knows


def test_memory_for_not_even_one_picture_is_an_error() -> None:
    model = _Small()
    with pytest.raises(UsageError, match="too small for a step with one picture"):
        Steps(model, OptimConfig()).take(5, 1.0, int, lambda part: model.loss(torch.zeros(5, 3), part, 0))  # type: ignore[arg-type]


def test_half_precision_needs_a_gpu(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["optim"]["precision"] = "fp16"
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        Run(build(TrainConfig, settings), tmp_path / "run")


def test_the_self_critical_phase_raises_the_reward(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["optim"] |= {"epochs": 20, "lr": 3e-3, "validate_every": 100, "average": 0.0, "freeze_encoder": False}
    settings["decoder"]["dropout"] = 0.0
    settings["self_critical"] = {"epochs": 20, "lr": 2e-3, "samples": 12, "max_length": 14}
    settings["data"] |= {"vocabulary": 300, "mirror": False}
    train(build(TrainConfig, settings), tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all("reward" not in row for row in log[:20])
    rewards = [row["reward"] for row in log[20:]]
    assert len(rewards) == 20
    assert np.mean(rewards[-5:]) > 1.25 * np.mean(rewards[:5])  # measured: twice or more
    assert [row["epoch"] for row in log if "cider" in row] == [20, 40]  # each phase ends with a validation


def test_samples_are_compared_with_others(settings: dict[str, Any]) -> None:
    settings["self_critical"] = {"epochs": 1, "samples": 1}
    with pytest.raises(UsageError, match=r"self_critical\.samples: 1"):
        build(TrainConfig, settings)


def test_training_starts_from_a_captioner(settings: dict[str, Any], tmp_path: Path) -> None:
    best = train(build(TrainConfig, settings), tmp_path / "first")
    settings |= {"start_from": str(best), "self_critical": {"epochs": 1, "samples": 2, "max_length": 8}}
    settings["optim"]["epochs"] = 0
    run = Run(build(TrainConfig, settings), tmp_path / "second")
    wanted = Captioner.load(best).state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in run.captioner.state_dict().items())
    assert run.captioner.tokenizer.to_json() == (best / "tokenizer.json").read_text()
    run.train()
    settings["decoder"]["layers"] = 2
    with pytest.raises(CheckpointError, match="another encoder or decoder"):
        Run(build(TrainConfig, settings), tmp_path / "third")


def test_a_captioner_gets_a_second_feature_map(tmp_path: Path) -> None:
    """It begins as the captioner that it was; the new map has weight zero."""
    torch.manual_seed(0)
    small = {"input_size": [64, 64]}
    decoder = DecoderConfig(layers=1, heads=2, width=16, max_length=12)
    one = EncoderConfig("tf_efficientnet_lite0", stage=-1, preprocess=small)
    old = Captioner(CaptionerConfig(one, decoder), tiny_captioner().tokenizer).eval()
    torch.nn.init.normal_(old.decoder.memory_norm.weight)
    old.save(tmp_path / "old")
    two = EncoderConfig("tf_efficientnet_lite0", stages=(-2, -1), preprocess=small)
    shape = CaptionerConfig(two, dataclasses.replace(decoder, max_length=9, dropout=0.5))
    new = started_from(tmp_path / "old", shape).eval()
    images, tokens = torch.rand(2, 3, 64, 64), torch.randint(4, 9, (2, 8))
    with torch.no_grad():
        before, after = (each.decoder(each.encode(images).tokens, tokens) for each in (old, new))
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    with pytest.raises(CheckpointError, match="another encoder or decoder"):
        started_from(tmp_path / "old", CaptionerConfig(EncoderConfig(two.name, stages=(-3, -2)), decoder))


def test_validation_in_steps_and_the_record_of_a_run(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["optim"] |= {"validate_steps": 3, "validate_beams": 2, "validate_pictures": 4}
    out = tmp_path / "run"
    config = build(TrainConfig, settings)
    train(config, out)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [(row["step"], "cider" in row) for row in log] == [(2, False), (3, True), (4, True)]
    record = json.loads((out / "run.json").read_text())
    assert record["finished"]
    assert record["step"] == record["steps"] == 4
    assert record["settings"] == json.loads(json.dumps(dataclasses.asdict(config), default=str))
    assert record["checkpoints"]["last"]["sha256"] == checkpoint_identity(out / "last")["sha256"]
    best = max((row for row in log if "cider" in row), key=lambda row: row["cider"])
    assert record["checkpoints"]["best"]["step"] == best["step"]
    assert record["checkpoints"]["best"]["cider"] == pytest.approx(best["cider"], abs=1e-4)


def test_tensorboard_is_asked_for_and_missing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    settings["optim"]["tensorboard"] = True
    with pytest.raises(UsageError, match=r"pip install 'hw3-browse\[tensorboard\]'"):
        Run(build(TrainConfig, settings), tmp_path / "run")


def test_tensorboard_gets_losses_and_scores(settings: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings["optim"]["tensorboard"] = True
    train(build(TrainConfig, settings), tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("epoch/cider")] == [2, 4]


KILLED = """
import json, os, signal, sys
from pathlib import Path
from hw3_browse.core import store
from hw3_browse.core.config import build
from hw3_browse.core.train_config import TrainConfig
from hw3_browse.core.training import Run

settings, out, kept, save_at, die_at = json.loads(sys.argv[1]), *map(Path, sys.argv[2:4]), *map(int, sys.argv[4:])
store.kept_dir = lambda: kept
run = Run(build(TrainConfig, settings), out)
step, save = run.one_step, run.save

def dying(pictures):
    loss = step(pictures)
    if run.step == die_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss

run.one_step = dying
run.save = lambda: save() if run.step == save_at else None
run.train()
"""


def test_a_run_that_is_killed_goes_on_with_the_very_losses(settings: dict[str, Any], tmp_path: Path) -> None:
    """SIGKILL some steps behind the last saved one; losses, log and weights are those of a run left alone."""
    settings["optim"] |= {"save_minutes": 0.0, "batch": 3, "validate_every": 100}
    settings["self_critical"] = {"epochs": 2, "samples": 2, "max_length": 8}
    whole = tmp_path / "whole"
    losses = _recorded(settings, whole)
    assert len(losses) == 8
    for save_at, die_at in ((3, 4), (5, 7)):  # in the first phase, and in the self-critical one
        killed = tmp_path / f"killed{die_at}"
        killed.mkdir()
        # Learning a BPE breaks ties by chance: two runs are alike only with one tokenizer, which a run keeps.
        shutil.copy(whole / "tokenizer.json", killed)
        paths = [str(killed), str(tmp_path / "kept"), str(save_at), str(die_at)]
        done = subprocess.run([sys.executable, "-c", KILLED, json.dumps(settings), *paths], check=False)
        assert done.returncode == -signal.SIGKILL
        assert not json.loads((killed / "run.json").read_text())["finished"]
        assert _recorded(settings, killed) == losses[save_at:]
        assert (killed / "log.jsonl").read_text() == (whole / "log.jsonl").read_text()
        ends = [load_file(out / "last" / "model.safetensors") for out in (whole, killed)]
        assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
        assert json.loads((killed / "run.json").read_text())["finished"]


def _recorded(settings: dict[str, Any], out: Path) -> list[float]:
    """Train to the end; the losses of the steps."""
    run = Run(build(TrainConfig, settings), out)
    step, losses = run.one_step, []
    run.one_step = lambda pictures: losses.append(step(pictures)) or losses[-1]  # type: ignore[method-assign, func-returns-value]
    run.train()
    return losses
