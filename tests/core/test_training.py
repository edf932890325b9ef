"""Training learns, goes on exactly where it was killed, and refuses what does not belong together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import tiny_captioner, write_dataset

from hw3_browse.cache.errors import CheckpointError, UsageError
from hw3_browse.core import store
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.clip_config import ClipTrainConfig
from hw3_browse.core.config import build, read_toml
from hw3_browse.core.datasets import open_dataset
from hw3_browse.core.decoding import Decoding, decode
from hw3_browse.core.loop import learning_rate, moving_average
from hw3_browse.core.train_config import TrainConfig
from hw3_browse.core.training import Pictures, Run, caption_loss, train


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "kept_dir", lambda: tmp_path / "kept")
    return tmp_path / "kept"


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    images, annotations = write_dataset(tmp_path / "data", count=8)
    return {
        "data": {
            "train_images": str(images), "train_annotations": str(annotations),
            "val_images": str(images), "val_annotations": str(annotations), "vocabulary": 60,
        },
        "encoder": {
            "name": "vit_tiny_patch16_224",
            "args": {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2},
            "preprocess": {"crop_pct": 1.0},
        },
        "decoder": {"layers": 1, "heads": 2, "width": 32, "max_length": 40},
        "optim": {"epochs": 3, "batch": 4, "captions": 2, "lr": 1e-3, "freeze_encoder": False, "average": 0.9,
                  "threads": 1, "device": "cpu"},
    }  # fmt: skip


def losses_of(run: Run, steps: int) -> list[float]:
    """Losses of the next steps."""
    pictures = Pictures(run.train_set, run.captioner, run.config)
    return [run.one_step(pictures) for _ in range(steps)]


@pytest.mark.parametrize("frozen", [False, True])
def test_a_resumed_run_repeats_the_very_losses(config: dict[str, Any], tmp_path: Path, frozen: bool) -> None:
    config["optim"]["freeze_encoder"] = frozen
    settings = build(TrainConfig, config)
    whole = losses_of(Run(settings, tmp_path / "whole"), 5)
    # Learning a BPE breaks ties by chance: two runs are alike only with one tokenizer, which a run keeps.
    (tmp_path / "killed").mkdir()
    shutil.copy(tmp_path / "whole" / "tokenizer.json", tmp_path / "killed")
    first = Run(settings, tmp_path / "killed")
    begun = losses_of(first, 2)
    first.save()
    losses_of(first, 1)  # steps after the last save are lost with the process
    rest = losses_of(Run(settings, tmp_path / "killed"), 3)
    assert begun + rest == whole


def test_it_learns_the_captions_by_heart(config: dict[str, Any], tmp_path: Path) -> None:
    config["optim"] |= {"epochs": 60, "average": 0.0, "lr": 3e-3, "validate_every": 30}
    config["decoder"]["dropout"] = 0.0
    config["data"]["mirror"] = False
    best = train(build(TrainConfig, config), tmp_path / "run")
    captioner = Captioner.load(best)
    dataset = open_dataset(Path(config["data"]["val_images"]), Path(config["data"]["val_annotations"]))
    kept = store.pixels(dataset, captioner.preprocess, store.kept_dir())
    with torch.no_grad():
        memory = captioner.encode(captioner.preprocess.normalise(torch.from_numpy(kept.copy())))
    found = [captioner.tokenizer.decode(h[0].token_ids).text for h in decode(captioner, memory, Decoding())]
    right = [text in item.references for text, item in zip(found, dataset, strict=True)]
    assert sum(right) >= 6  # a guess is right for two; the tokenizer breaks ties by chance, so no run is like another
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.5 * log[0]["loss"]
    assert log[-1]["cider"] > 1.0


def test_kept_features_equal_the_encoder(config: dict[str, Any], tmp_path: Path) -> None:
    config["optim"]["freeze_encoder"] = True
    run = Run(build(TrainConfig, config), tmp_path / "run")
    memory = Pictures(run.train_set, run.captioner, run.config).memory(run.captioner, np.array([5, 2]))
    pixels = store.pixels(run.train_set, run.captioner.preprocess, store.kept_dir())
    images = run.captioner.preprocess.normalise(torch.from_numpy(pixels[[5, 2]]))
    with torch.no_grad():
        direct = run.captioner.encode(images).tokens
    torch.testing.assert_close(memory.tokens, direct, atol=2e-3, rtol=2e-3)  # kept in half precision


def test_a_frozen_encoder_stays_as_it_is(config: dict[str, Any], tmp_path: Path) -> None:
    config["optim"]["freeze_encoder"] = True
    run = Run(build(TrainConfig, config), tmp_path / "run")
    encoder, decoder = run.captioner.encoder.state_dict(), run.captioner.decoder.embedding.weight.clone()
    before = {name: value.clone() for name, value in encoder.items()}
    losses_of(run, 2)
    for name, value in run.captioner.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not torch.equal(run.captioner.decoder.embedding.weight, decoder)


def test_a_store_goes_on_where_it_was_killed(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_CHUNK", 3)
    captioner = tiny_captioner()
    dataset = open_dataset(Path(config["data"]["val_images"]))
    whole = np.array(store.pixels(dataset, captioner.preprocess, tmp_path / "a"))
    read: list[str] = []
    load = store.load_image

    def dying(path: Path) -> Any:
        read.append(path.name)
        if len(read) == 5:
            raise KeyboardInterrupt
        return load(path)

    monkeypatch.setattr(store, "load_image", dying)
    with pytest.raises(KeyboardInterrupt):
        store.pixels(dataset, captioner.preprocess, tmp_path / "b", workers=1)
    begun = len(read)
    again = np.array(store.pixels(dataset, captioner.preprocess, tmp_path / "b", workers=1))
    np.testing.assert_array_equal(again, whole)
    assert read[begun:][0] == dataset.items[3].path  # the first chunk of three was kept


def test_another_run_in_the_same_folder_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    Run(build(TrainConfig, config), tmp_path / "run").save()
    config["optim"]["lr"] = 5e-4
    with pytest.raises(UsageError, match="other settings"):
        Run(build(TrainConfig, config), tmp_path / "run")


def test_padding_has_no_loss() -> None:
    logits = torch.randn(2, 4, 9)
    targets = torch.tensor([[5, 6, 0, 0], [7, 8, 4, 3]])
    changed = logits.clone()
    changed[0, 2:] = torch.randn(2, 9)
    assert caption_loss(logits, targets, 0) == caption_loss(changed, targets, 0)
    alone = torch.nn.functional.cross_entropy(torch.cat((logits[0, :2], logits[1])), torch.tensor([5, 6, 7, 8, 4, 3]))
    torch.testing.assert_close(caption_loss(logits, targets, 0), alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optim": {"epoch": 3}}, r"unknown setting optim\.epoch; did you mean epochs\?"),
        ({"optim": {"epochs": "three"}}, r"setting optim\.epochs: needs int, found 'three'"),
        ({"optim": {"precision": "fp8"}}, r"optim\.precision: 'fp8' is not one of fp32, bf16, fp16"),
        ({"data": {}}, r"setting data\.train_images is missing"),
        ({"encoder": 3}, r"setting encoder: needs a table"),
    ],
)
def test_bad_settings_have_one_clear_line(config: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(TrainConfig, config | change)


def test_settings_from_a_file_and_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[optim]\nlr = 1\n[encoder]\nname = 'a'\n")
    data = read_toml(path, ["optim.lr=5e-5", "decoder.layers=8", "encoder.name=vit_base_patch16_224"])
    assert data == {
        "optim": {"lr": 5e-5}, "encoder": {"name": "vit_base_patch16_224"}, "decoder": {"layers": 8},
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"--set optim\.lr: write it as"):
        read_toml(path, ["optim.lr"])
    path.write_text("[optim\n")
    with pytest.raises(UsageError, match=r"config\.toml: not readable as TOML"):
        read_toml(path)


def test_a_checkpoint_reads_back_equal(tmp_path: Path) -> None:
    captioner = tiny_captioner()
    captioner.save(tmp_path / "full")
    captioner.save(tmp_path / "half", half=True)
    full, half = Captioner.load(tmp_path / "full"), Captioner.load(tmp_path / "half")
    for name, value in captioner.state_dict().items():
        assert torch.equal(full.state_dict()[name], value)
        torch.testing.assert_close(half.state_dict()[name], value, atol=2e-3, rtol=2e-3)
    sizes = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "no such file"),
        ("config.json", "{", "not readable as JSON"),
        ("config.json", "{}", "not a captioner's config"),
        ("config.json", '{"format": "hw3-captioner", "version": 99}', "version 99"),
        ("tokenizer.json", None, "no such tokenizer file"),
        ("model.safetensors", None, "missing"),
        ("model.safetensors", "garbage", "cannot be used"),
    ],
)
def test_a_damaged_checkpoint_has_one_clear_line(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    tiny_captioner().save(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        Captioner.load(tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_log_has_each_epoch_once_after_a_kill(config: dict[str, Any], tmp_path: Path) -> None:
    """The state was last saved before the second epoch ended; its line is written again, not twice."""
    settings = build(TrainConfig, config)
    run = Run(settings, tmp_path / "run")
    losses_of(run, 3)
    run.save()
    losses_of(run, 1)
    run._end_of_step()
    train(settings, tmp_path / "run")
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert epochs == [2, 3]


def test_a_damaged_state_has_one_clear_line(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.pt").write_bytes(b"garbage")
    with pytest.raises(CheckpointError, match="damaged; remove it"):
        Run(build(TrainConfig, config), tmp_path / "run")


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=0.001)


def test_the_moving_average_forgets_its_beginning_and_then_follows_the_decay() -> None:
    update = moving_average(0.9)
    mean, total = [torch.tensor([100.0])], 500
    for count in range(1, total):
        update(mean, [torch.tensor([0.0])], torch.tensor(count))
    expected = 100.0
    for count in range(1, total):
        expected *= min(0.9, (1 + count) / (10 + count))
    assert float(mean[0]) == pytest.approx(expected, abs=1e-4)
    early = [torch.tensor([100.0])]
    for count in range(1, 30):
        update(early, [torch.tensor([1.0])], count)
    assert float(early[0]) < 1.5  # thirty steps of 0.9 alone would leave 5.7


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "configs").glob("*.toml")), ids=lambda path: path.name
)
def test_shipped_settings_are_valid(path: Path) -> None:
    data = read_toml(path)
    if "encoder" not in data:
        assert ClipTrainConfig.from_mapping(data).optim.epochs > 0
        return
    config = build(TrainConfig, data)
    assert config.optim.epochs + config.self_critical.epochs > 0


def test_settings_extend_other_settings(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.toml").write_text("[optim]\nlr = 1\nbatch = 5\n[encoder]\nname = 'a'\nargs = {x = 1, y = 2}\n")
    (tmp_path / "middle.toml").write_text('extends = "base.toml"\n[optim]\nlr = 2\n')
    leaf = tmp_path / "sub" / "leaf.toml"
    leaf.write_text('extends = "../middle.toml"\n[encoder.args]\ny = 3\n')
    assert read_toml(leaf, ["optim.batch=6"]) == {
        "optim": {"lr": 2, "batch": 6}, "encoder": {"name": "a", "args": {"x": 1, "y": 3}},
    }  # fmt: skip
    (tmp_path / "base.toml").write_text('extends = "sub/leaf.toml"\n')
    with pytest.raises(UsageError, match=r"extends itself, by way of .*base\.toml"):
        read_toml(leaf)
    leaf.write_text('extends = "gone.toml"\n')
    with pytest.raises(UsageError, match=r"gone\.toml: no such config file \(extended by .*leaf\.toml\)"):
        read_toml(leaf)
    leaf.write_text("extends = 3\n")
    with pytest.raises(UsageError, match="extends needs the name of a file"):
        read_toml(leaf)


def test_splits_of_one_file_are_learnt_and_validated(config: dict[str, Any], tmp_path: Path) -> None:
    images = Path(config["data"]["train_images"])
    pictures = [
        {"imgid": number, "filename": path.name, "split": split, "sentences": [{"raw": "a dog"}]}
        for number, (path, split) in enumerate(
            zip(sorted(images.iterdir()), ["train"] * 5 + ["val"] * 2 + ["test"], strict=True)
        )
    ]
    karpathy = tmp_path / "dataset.json"
    karpathy.write_text(json.dumps({"images": pictures, "dataset": "tiny"}))
    config["data"] |= {"train_annotations": str(karpathy), "val_annotations": str(karpathy)}
    config["data"] |= {"train_split": "train", "val_split": "val"}
    run = Run(build(TrainConfig, config), tmp_path / "run")
    assert (len(run.train_set), len(run.val_set)) == (5, 2)
