"""`core.clip_training`: it learns, goes on after a kill, keeps frozen towers frozen, and its folder is a CLIP."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

from hw3_browse.cache.errors import CheckpointError, DatasetError, UsageError
from hw3_browse.core import clip_training, store
from hw3_browse.core.clip import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE, Clip, ClipSpec
from hw3_browse.core.clip_config import ClipModelConfig, ClipTrainConfig
from hw3_browse.core.clip_scores import retrieval
from hw3_browse.core.clip_training import build_model, moved, train_clip
from hw3_browse.core.datasets import load_image, open_dataset
from hw3_browse.core.fingerprint import fingerprint
from hw3_browse.core.tokenizer import CaptionTokenizer

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (30, 40, 220),
    "yellow": (230, 220, 40),
    "white": (240, 240, 240),
    "black": (15, 15, 15),
}
RESNET = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 32}
TIMM = {"timm_model_name": "test_resnet", "timm_proj": "linear", "image_size": 32}
TEXT = {"context_length": 12, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture(autouse=True)
def _kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(store, "kept_dir", lambda: tmp_path / "kept")


def write_split(folder: Path, split: str, per_colour: int, seed: int) -> dict[str, Path]:
    """Noisy pictures of one colour each, with two captions."""
    rng = np.random.default_rng(seed)
    images = folder / split
    images.mkdir(parents=True)
    data: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for number, (name, colour) in enumerate(list(COLOURS.items()) * per_colour):
        pixels = np.clip(np.array(colour) + rng.integers(-15, 16, (30, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
        data["images"].append({"id": number, "file_name": f"{number}.png"})
        for caption in (f"a {name} wall", f"something {name} is here"):
            data["annotations"].append({"id": len(data["annotations"]), "image_id": number, "caption": caption})
    (folder / f"{split}.json").write_text(json.dumps(data))
    return {f"{split}_images": images, f"{split}_annotations": folder / f"{split}.json"}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """A run of a few seconds."""
    data = write_split(tmp_path, "train", 8, 1) | write_split(tmp_path, "val", 1, 2)
    return {
        "data": {**{key: str(path) for key, path in data.items()}, "shift": 2},
        "model": {
            "vision": RESNET,
            "text": TEXT,
            "preprocess": {"resize_mode": "squash"},
            "embed_dim": 16,
            "vocabulary": 100,
        },
        "optim": {"epochs": 6, "batch": 12, "lr": 3e-3, "threads": 1, "device": "cpu"},
    }


def changed(settings: dict[str, Any], **changes: Any) -> ClipTrainConfig:
    """The run with some settings (`table__key`) changed."""
    tables = {name: dict(table) for name, table in settings.items()}
    for key, value in changes.items():
        table, name = key.split("__")
        tables[table][name] = value
    return ClipTrainConfig.from_mapping(tables)


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optim__epoch": 3}, r"unknown setting optim\.epoch; did you mean epochs\?"),
        ({"optim__batch": "many"}, r"optim\.batch: needs int, found 'many'"),
        ({"model__vision": "resnet"}, r"model\.vision: needs Mapping"),
        ({"optim__precision": "fp8"}, r"'fp8' is not one of fp32, bf16"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        changed(settings, **change)


def test_missing_settings_are_named(settings: dict[str, Any]) -> None:
    del settings["data"]["train_images"]
    with pytest.raises(UsageError, match=r"data\.train_images is missing"):
        ClipTrainConfig.from_mapping(settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vision": {"timm_model_name": "no_such_net"}}, "open_clip cannot build this .*no_such_net"),
        ({"vision": {"depth": 3}}, "open_clip cannot build this .*depth"),
        ({"text": {"heads": 3, "width": 16}}, "open_clip cannot build this"),
        ({"preprocess": {"resize": "squash"}}, "open_clip cannot build this .*resize"),
        ({"freeze_vision": True}, "freeze_vision: needs a timm tower"),
    ],
)
def test_models_that_cannot_be_built(change: dict[str, Any], message: str) -> None:
    config = ClipModelConfig(**({"vision": RESNET, "text": TEXT} | change))
    with pytest.raises(UsageError, match=message) as info:
        build_model(config, CaptionTokenizer.train(["a dog"] * 3, 50))
    assert "\n" not in str(info.value)


# --- learning --------------------------------------------------------------------------------------


def test_it_learns_and_its_folder_is_a_clip(settings: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert train_clip(changed(settings, optim__epochs=20), out) == out
    rows = log(out)
    assert [row["epoch"] for row in rows] == list(range(1, 21))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["text_to_image_r1"] >= 5 / 6
    assert rows[-1]["image_to_text_r1"] >= 5 / 6

    clip = Clip.load(ClipSpec(str(out)))
    val = open_dataset(tmp_path / "val", tmp_path / "val.json")
    images = clip.embed_images(torch.stack([clip.preprocess(load_image(val.file(item))) for item in val]))
    texts = clip.embed_texts([f"something {name} is here" for name in COLOURS])
    assert retrieval(images, texts).image_to_text >= 5 / 6


def test_folder_layout(settings: dict[str, Any], tmp_path: Path) -> None:
    out = train_clip(changed(settings, optim__epochs=1), tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE, "log.jsonl"}
    for name, value in load_file(out / WEIGHTS_FILE).items():
        assert value.dtype == (torch.float16 if value.ndim > 1 else value.dtype), name
        assert value.dtype != torch.float16 or value.ndim > 1, name
    # No path of this machine goes into a folder that is handed on.
    assert str(tmp_path) not in (out / CONFIG_FILE).read_text()

    plain, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{out}")
    picture = load_image(tmp_path / "val" / "0.png")
    clip = Clip.load(ClipSpec(str(out)))
    assert torch.equal(preprocess(picture), clip.preprocess(picture))
    with torch.no_grad():
        wanted = plain.eval().encode_image(preprocess(picture)[None], normalize=True)
    torch.testing.assert_close(clip.embed_images(clip.preprocess(picture)[None]), wanted)


def test_mixed_precision_learns_too(settings: dict[str, Any], tmp_path: Path) -> None:
    out = train_clip(changed(settings, optim__precision="bf16", optim__epochs=3), tmp_path / "out")
    losses = [row["loss"] for row in log(out)]
    assert losses[-1] < losses[0]


def test_validation_is_due_every_so_many_epochs_and_at_the_end(settings: dict[str, Any], tmp_path: Path) -> None:
    out = train_clip(changed(settings, optim__epochs=5, optim__validate_every=2), tmp_path / "out")
    assert [row["epoch"] for row in log(out)] == [2, 4, 5]


def test_truncated_captions_are_counted(settings: dict[str, Any], tmp_path: Path) -> None:
    short = {**TEXT, "context_length": 5}
    out = train_clip(changed(settings, model__text=short, optim__epochs=1), tmp_path / "out")
    # "something red is here" has at least four tokens and two ends, "a red wall" three and two.
    assert log(out)[0]["truncated_captions"] == 48


def test_captions_are_needed(settings: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "val.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"annotations": []}))
    with pytest.raises(DatasetError, match=r"val\.json: no captions"):
        train_clip(changed(settings), tmp_path / "out")


# --- going on --------------------------------------------------------------------------------------


class _Killed(BaseException):
    """Nobody catches it, as nobody catches kill -9."""


def killed_in(monkeypatch: pytest.MonkeyPatch, steps: int, config: ClipTrainConfig, out: Path) -> None:
    """Start a run and let it die in its step number `steps` + 1."""
    with monkeypatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(_Killed):
            train_clip(config, out)


def kill_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let a run end without warning in its step number `steps` + 1."""
    one_step = clip_training._Run._one_step
    left = [steps]

    def dying(run: clip_training._Run) -> float:
        left[0] -= 1
        if left[0] < 0:
            raise _Killed
        return one_step(run)

    monkeypatch.setattr(clip_training._Run, "_one_step", dying)


@pytest.mark.parametrize("steps", [2, 4, 9])  # an epoch has four
def test_a_killed_run_goes_on_to_the_same_end(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    # The library learns a slightly different BPE each time: the two runs can only be equal with the same one.
    CaptionTokenizer.train(["a red wall", "something green is here"] * 3, 60).save(tmp_path / "bpe.json")
    config = changed(settings, optim__epochs=3, optim__save_minutes=0, model__tokenizer=str(tmp_path / "bpe.json"))
    whole = train_clip(config, tmp_path / "whole")
    killed_in(monkeypatch, steps, config, tmp_path / "parts")
    done = []
    one_step = clip_training._Run._one_step
    monkeypatch.setattr(clip_training._Run, "_one_step", lambda run: done.append(run.step) or one_step(run))
    parts = train_clip(config, tmp_path / "parts")
    assert done == list(range(steps, 12))
    assert (parts / WEIGHTS_FILE).read_bytes() == (whole / WEIGHTS_FILE).read_bytes()
    assert [row["epoch"] for row in log(parts)] == [1, 2, 3]


def test_a_killed_run_keeps_its_tokenizer(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = changed(settings, optim__epochs=2, optim__save_minutes=0), tmp_path / "out"
    killed_in(monkeypatch, 5, config, out)
    begun_with = (out / TOKENIZER_FILE).read_bytes()

    def never(*_: object) -> CaptionTokenizer:
        raise AssertionError("a second tokenizer was learnt")

    monkeypatch.setattr(CaptionTokenizer, "train", never)
    train_clip(config, out)
    assert (out / TOKENIZER_FILE).read_bytes() == begun_with


def test_a_validation_after_the_last_state_is_not_logged_twice(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = changed(settings, optim__epochs=2, optim__save_minutes=0), tmp_path / "out"
    killed_in(monkeypatch, 6, config, out)
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": 2, "step": 8}) + "\n")
    train_clip(config, out)
    assert [row["step"] for row in log(out)] == [4, 8]


def test_a_finished_run_is_not_repeated(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = changed(settings, optim__epochs=1), tmp_path / "out"
    train_clip(config, out)
    kill_after(monkeypatch, 0)
    assert train_clip(config, out) == out


def test_a_folder_of_another_run_is_left_alone(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished, unfinished = tmp_path / "finished", tmp_path / "unfinished"
    train_clip(changed(settings, optim__epochs=1), finished)
    before = (finished / WEIGHTS_FILE).read_bytes()
    with pytest.raises(UsageError, match="finished: holds a CLIP that other settings made"):
        train_clip(changed(settings, optim__epochs=2), finished)
    assert (finished / WEIGHTS_FILE).read_bytes() == before
    killed_in(monkeypatch, 2, changed(settings, optim__epochs=2, optim__save_minutes=0), unfinished)
    with pytest.raises(UsageError, match="unfinished: holds a run with other settings"):
        train_clip(changed(settings, optim__epochs=3), unfinished)


def test_a_run_may_go_on_with_other_threads(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    killed_in(monkeypatch, 6, changed(settings, optim__epochs=2, optim__save_minutes=0), out)
    config = changed(settings, optim__epochs=2, optim__save_minutes=9, optim__threads=0)
    assert [row["epoch"] for row in log(train_clip(config, out))] == [1, 2]


def test_a_damaged_state_is_told(settings: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "state.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CheckpointError, match=r"state\.pt: damaged; remove it"):
        train_clip(changed(settings), out)


# --- a frozen vision tower -------------------------------------------------------------------------


def write_trunk(path: Path) -> timm.models.ResNet:
    torch.manual_seed(3)
    trunk = timm.create_model("test_resnet")
    save_file(trunk.state_dict(), path)
    return trunk


def test_a_frozen_tower_runs_once_and_stays_as_it_is(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = write_trunk(tmp_path / "trunk.safetensors").eval()
    config = changed(
        settings,
        model__vision=TIMM,
        model__vision_weights=str(tmp_path / "trunk.safetensors"),
        model__freeze_vision=True,
        optim__epochs=2,
    )
    out = train_clip(config, tmp_path / "out")
    trunk.reset_classifier(0)
    clip = Clip.load(ClipSpec(str(out)))
    for name, value in trunk.state_dict().items():
        torch.testing.assert_close(clip.model.visual.trunk.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    picture = clip.preprocess(load_image(tmp_path / "val" / "0.png"))[None]
    with torch.no_grad():
        wanted = torch.nn.functional.normalize(clip.model.visual.head(trunk(picture)), dim=-1)
    torch.testing.assert_close(clip.embed_images(picture), wanted, rtol=1e-2, atol=1e-3)

    # Another run on the same pictures and weights finds the features.
    def never(*_: object) -> None:
        raise AssertionError("the frozen tower ran again")

    monkeypatch.setattr(timm.models.ResNet, "forward", never)
    longer = dataclasses.replace(config, optim=dataclasses.replace(config.optim, epochs=3))
    assert len(log(train_clip(longer, tmp_path / "longer"))) == 3


def test_a_frozen_tower_learns_through_its_projection(settings: dict[str, Any], tmp_path: Path) -> None:
    write_trunk(tmp_path / "trunk.safetensors")
    changes: dict[str, Any] = {
        "model__vision": TIMM,
        "model__vision_weights": str(tmp_path / "trunk.safetensors"),
        "model__freeze_vision": True,
        "optim__epochs": 8,
    }
    rows = log(train_clip(changed(settings, **changes), tmp_path / "out"))
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.3


def test_vision_weights_are_those_of_the_file() -> None:
    tokenizer = CaptionTokenizer.train(["a dog"] * 3, 50)
    config = ClipModelConfig(vision=TIMM, text=TEXT)
    torch.manual_seed(0)
    fresh = build_model(config, tokenizer)
    assert fingerprint(fresh) != fingerprint(build_model(config, tokenizer))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file of vision weights"),
        (b"not safetensors", "not a safetensors file"),
        ({"conv1.weight": torch.zeros(1)}, "lacks .*, so it does not belong to this vision tower"),
    ],
)
def test_wrong_vision_weights(tmp_path: Path, content: bytes | dict[str, torch.Tensor] | None, message: str) -> None:
    path = tmp_path / "weights.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save_file(content, path)
    config = ClipModelConfig(vision=TIMM, text=TEXT, vision_weights=path)
    with pytest.raises(CheckpointError, match=message):
        build_model(config, CaptionTokenizer.train(["a dog"] * 3, 50))


def test_vision_weights_of_another_shape(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    state = timm.create_model("test_resnet").state_dict()
    name = next(iter(state))
    save_file(state | {name: torch.zeros(1)}, path)
    config = ClipModelConfig(vision=TIMM, text=TEXT, vision_weights=path)
    with pytest.raises(CheckpointError, match=f"has another shape of {name}"):
        build_model(config, CaptionTokenizer.train(["a dog"] * 3, 50))


# --- augmentation ----------------------------------------------------------------------------------


def numbered(count: int, height: int, width: int) -> torch.Tensor:
    """Pictures in which every pixel tells its row and column."""
    rows = torch.arange(height)[:, None].expand(height, width)
    cols = torch.arange(width)[None].expand(height, width)
    return torch.stack([rows, cols, torch.zeros_like(rows)], dim=-1).to(torch.uint8).expand(count, -1, -1, -1)


def test_without_augmentation_pictures_stay() -> None:
    pixels = numbered(4, 5, 7)
    assert torch.equal(moved(pixels, np.random.default_rng(0), shift=0, mirror=False), pixels)


@given(seed=st.integers(0, 1000), shift=st.integers(0, 4), mirror=st.booleans())
def test_pictures_move_by_at_most_the_shift_and_repeat_their_edges(seed: int, shift: int, mirror: bool) -> None:
    found = moved(numbered(3, 8, 9), np.random.default_rng(seed), shift=shift, mirror=mirror).int()
    rows, cols = found[..., 0], found[..., 1]
    assert torch.equal(rows, rows[:, :, :1].expand_as(rows))
    assert torch.equal(cols, cols[:, :1].expand_as(cols))
    for picture in range(3):
        down, across = rows[picture, :, 0], cols[picture, 0]
        if across[0] > across[-1]:
            assert mirror
            across = across.flip(0)
        for found_axis, length in ((down, 8), (across, 9)):
            offsets = {
                int(offset)
                for offset in range(-shift, shift + 1)
                if torch.equal(found_axis, (torch.arange(length) - offset).clamp(0, length - 1).int())
            }
            assert offsets


def test_about_half_of_the_pictures_are_mirrored() -> None:
    found = moved(numbered(400, 2, 3), np.random.default_rng(0), shift=0, mirror=True)
    mirrored = int((found[:, 0, 0, 1] == 2).sum())
    assert 150 < mirrored < 250
