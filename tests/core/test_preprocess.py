"""`Preprocess` against timm's evaluation transform, bit for bit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform

from hw3_browse.cache.errors import CheckpointError, DatasetError, UsageError
from hw3_browse.core.preprocess import Preprocess

CONFIG: dict[str, Any] = {
    "input_size": (3, 32, 32),
    "mean": (0.481, 0.457, 0.408),
    "std": (0.268, 0.261, 0.275),
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "crop_mode": "center",
}

configs = st.fixed_dictionaries(
    {
        "input_size": st.one_of(
            st.integers(8, 64).map(lambda side: (3, side, side)),
            st.tuples(st.just(3), st.integers(8, 64), st.integers(8, 64)),
        ),
        "mean": st.sampled_from([(0.5, 0.5, 0.5), (0.485, 0.456, 0.406)]),
        "std": st.sampled_from([(0.5, 0.5, 0.5), (0.229, 0.224, 0.225)]),
        "interpolation": st.sampled_from(["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]),
        "crop_pct": st.sampled_from([1.0, 0.95, 0.9, 0.89, 0.875]),
        "crop_mode": st.sampled_from(["center", "squash", "border"]),
    }
)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


@settings(max_examples=80, deadline=None)
@given(configs, st.integers(40, 150), st.integers(40, 150))
def test_it_is_timms_evaluation_transform_to_the_bit(config: dict[str, Any], width: int, height: int) -> None:
    image = noise(width, height)
    preprocess = Preprocess.from_timm(config)
    exact = np.moveaxis(np.asarray(create_transform(**config, normalize=False)(image)), 0, -1)
    assert np.array_equal(preprocess.pixels(image), exact)
    assert torch.equal(preprocess(image), create_transform(**config)(image))


def test_a_picture_of_the_inputs_size_is_not_resampled() -> None:
    image = noise(32, 32)
    preprocess = Preprocess.from_timm(CONFIG | {"crop_pct": 1.0})
    assert np.array_equal(preprocess.pixels(image), np.asarray(image))


def test_a_batch_of_pixels_is_normalised_like_single_pictures() -> None:
    preprocess = Preprocess.from_timm(CONFIG)
    images = [noise(50, 40, seed) for seed in range(3)]
    batch = preprocess.normalise(torch.from_numpy(np.stack([preprocess.pixels(image) for image in images])))
    assert batch.dtype == torch.float32
    assert batch.shape == (3, 3, 32, 32)
    assert batch.is_contiguous()
    assert torch.equal(batch, torch.stack([preprocess(image) for image in images]))


def test_normalising_leaves_the_kept_pixels_alone() -> None:
    preprocess = Preprocess.from_timm(CONFIG)
    kept = torch.from_numpy(preprocess.pixels(noise(50, 40))).unsqueeze(0)
    before = kept.clone()
    preprocess.normalise(kept)
    assert torch.equal(kept, before)


def test_pixels_can_be_written_to() -> None:
    # torch.from_numpy warns about, and misbehaves on, memory that is not its own.
    for mode in ("center", "border"):
        assert Preprocess.from_timm(CONFIG | {"crop_mode": mode}).pixels(noise(50, 40)).flags.writeable


def test_a_grey_picture_is_converted() -> None:
    grey = noise(50, 40).convert("L")
    preprocess = Preprocess.from_timm(CONFIG)
    assert np.array_equal(preprocess.pixels(grey), preprocess.pixels(grey.convert("RGB")))


def test_the_settings_of_a_model() -> None:
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    assert Preprocess.from_timm(model) == Preprocess.from_timm(resolve_model_data_config(model))
    assert Preprocess.from_timm(model).input_size == (224, 224)


def test_a_model_made_for_another_size_gets_pictures_of_that_size() -> None:
    # timm's data config still says 224 here.
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=(64, 96), depth=1)
    assert Preprocess.from_timm(model).input_size == (64, 96)
    assert Preprocess.from_timm(model, input_size=(32, 32)).input_size == (32, 32)


def test_the_view_is_that_of_the_same_settings() -> None:
    view = Preprocess.from_timm(CONFIG).view((50, 40), (4, 5))
    assert (view.width, view.height, view.rows, view.cols) == (50, 40, 4, 5)
    assert (view.input_width, view.input_height) == (32, 32)


@given(configs)
def test_json_there_and_back(config: dict[str, Any]) -> None:
    preprocess = Preprocess.from_timm(config)
    assert Preprocess.from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"input_size": [32]}, "cannot be used"),
        ({"input_size": [0, 32]}, "input_size must be 1 to"),
        ({"input_size": 32}, "cannot be used"),
        ({"mean": [0.5]}, "cannot be used"),
        ({"mean": None}, "cannot be used"),
        ({"std": [0.5, 0.5, 0.0]}, "std positive"),
        ({"std": [0.5, 0.5, float("nan")]}, "must be finite"),
        ({"interpolation": "random"}, "unknown interpolation 'random': expected one of nearest"),
        ({"crop_pct": "much"}, "cannot be used"),
        ({"crop_mode": "middle"}, "unknown crop mode"),
    ],
)
def test_a_damaged_checkpoint_is_one_clear_line(change: dict[str, Any], line: str) -> None:
    with pytest.raises(CheckpointError, match=line) as caught:
        Preprocess.from_json(Preprocess.from_timm(CONFIG).to_json() | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", list(CONFIG))
def test_a_missing_setting_is_named(key: str) -> None:
    values = Preprocess.from_timm(CONFIG).to_json()
    del values[key]
    with pytest.raises(CheckpointError, match=f"lacks '{key}'"):
        Preprocess.from_json(values)


def test_a_model_of_other_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="takes 4 channels"):
        Preprocess.from_timm(CONFIG | {"input_size": (4, 32, 32)})


def test_a_strip_does_not_eat_the_memory() -> None:
    preprocess = Preprocess.from_timm(CONFIG | {"input_size": (3, 1000, 1000)})
    with pytest.raises(DatasetError, match="a picture of 3000 x 2 pixels is too thin"):
        preprocess.pixels(Image.new("RGB", (3000, 2)))
