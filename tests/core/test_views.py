"""Kept features of several views, and feature maps of several stages on one grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import VIT, write_dataset

from hw3_browse.cache.errors import CheckpointError, UsageError
from hw3_browse.core import store
from hw3_browse.core.augment import view_of
from hw3_browse.core.config import build
from hw3_browse.core.datasets import open_dataset
from hw3_browse.core.encoder import Encoder, EncoderConfig
from hw3_browse.core.fingerprint import fingerprint

LITE = "tf_efficientnet_lite0"
SMALL = {"input_size": [64, 96]}


@pytest.fixture
def source(tmp_path: Path) -> store.FeatureSource:
    images, annotations = write_dataset(tmp_path / "data", count=5)
    torch.manual_seed(0)
    encoder = Encoder(VIT).eval()
    return store.FeatureSource(open_dataset(images, annotations), encoder, "fp32", tmp_path / "kept", workers=1)


def test_the_views_are_those_of_the_encoder(source: store.FeatureSource) -> None:
    views = store.features(source, mirrored=True, views=4)
    kept = source.pixels()
    flipped = np.ascontiguousarray(kept[:, :, ::-1])
    seen = [kept, flipped]
    seen += [np.stack([view_of(kept[i], i, view, mirror=True) for i in range(5)]) for view in (2, 3)]
    assert len(views) == 4
    for features, pixels in zip(views, seen, strict=True):
        with torch.no_grad():
            direct = source.encoder(source.encoder.preprocess.normalise(torch.tensor(pixels))).tokens
        np.testing.assert_allclose(features, direct.numpy(), atol=4e-3, rtol=4e-3)  # kept in half precision
    assert not np.allclose(views[2], views[3], atol=1e-2)


def test_more_views_keep_what_is_there(source: store.FeatureSource) -> None:
    """A store is found under the name that it has had before there were further views."""
    store.features(source, mirrored=True)
    encoder = source.encoder
    identity = store.key(fingerprint(encoder), encoder.config.prefix_tokens, encoder.config.stage)
    name = store.key(source.dataset.fingerprint, encoder.preprocess.to_json(), identity, 2, "fp32")
    before = {path.name: path.stat().st_mtime_ns for path in source.folder.iterdir()}
    assert f"features-{name}.npy" in before
    store.features(source, mirrored=True, views=3)
    store.features(source, mirrored=True, views=4)
    after = {path.name: path.stat().st_mtime_ns for path in source.folder.iterdir()}
    assert after.items() > before.items()
    assert len(after) == len(before) + 2  # a file for each further view


def test_a_view_is_made_of_its_numbers_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    first = view_of(pixels, 3, 2, mirror=True)
    assert first.shape == pixels.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, view_of(pixels, 3, 2, mirror=True))
    others = [view_of(pixels, 4, 2, mirror=True), view_of(pixels, 3, 3, mirror=True)]
    assert all((other != first).any() for other in others)


def test_without_mirroring_left_stays_left() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16, 0] = 255  # red on the left
    for index in range(20):
        seen = view_of(pixels, index, 1, mirror=False).astype(int)
        assert seen[:, 0, 0].mean() > seen[:, -1, 0].mean()


def test_maps_of_two_stages_lie_on_the_coarser_grid() -> None:
    torch.manual_seed(0)
    both = Encoder(EncoderConfig(LITE, stages=(-2, -1), preprocess=SMALL)).eval()
    coarse = Encoder(EncoderConfig(LITE, stage=-1, preprocess=SMALL)).eval()
    coarse.load_state_dict(both.state_dict())
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        memory, last = both(images), coarse(images)
        maps = both.model.forward_intermediates(images, indices=[-2, -1], intermediates_only=True)
    assert (memory.rows, memory.cols) == (last.rows, last.cols) == (2, 3)
    fine = maps[0].shape[1]
    assert memory.tokens.shape == (2, 6, fine + last.tokens.shape[2]) == (2, both.positions, both.channels)
    normal = torch.nn.functional.layer_norm(last.tokens, last.tokens.shape[-1:])
    torch.testing.assert_close(memory.tokens[..., fine:], normal)
    patch = maps[0][0, :, 2:4, 0:2].mean(dim=(1, 2))  # the fine places under the patch of row 1, column 0
    torch.testing.assert_close(memory.tokens[0, 3, :fine], torch.nn.functional.layer_norm(patch, (fine,)))


def test_stages_from_settings_and_from_a_checkpoint() -> None:
    config = build(EncoderConfig, {"name": LITE, "stages": [-2, -1]})
    assert config.stages == (-2, -1)
    assert EncoderConfig(**config.to_json()).read_stages == (-2, -1)
    assert "stages" not in EncoderConfig(LITE, stage=-1).to_json()  # as in the files of before
    with pytest.raises(UsageError, match="setting stages: needs a list, found 3"):
        build(EncoderConfig, {"name": LITE, "stages": 3})
    with pytest.raises(CheckpointError, match="has no feature stage -1, 17"):
        Encoder(EncoderConfig(LITE, stages=(-1, 17)))
