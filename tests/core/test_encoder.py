"""Every family of timm backbones gives a grid of features in row-major order, prefix tokens first."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from models import VIT
from safetensors.torch import save_file

from hw3_browse.cache.errors import CheckpointError
from hw3_browse.core.encoder import Encoder, EncoderConfig

FAMILIES = {
    "vit": (VIT, 4, 4, 3),
    "vit without prefix": (EncoderConfig(VIT.name, VIT.args, prefix_tokens=False), 4, 4, 0),
    "vit, oblong": (EncoderConfig("vit_tiny_patch16_224", {"img_size": (32, 64), "depth": 1}), 2, 4, 1),
    "eva": (EncoderConfig("eva02_tiny_patch14_224", {"img_size": 56, "depth": 1}), 4, 4, 1),
    "resnet": (EncoderConfig("resnet10t", preprocess={"input_size": [64, 96]}), 2, 3, 0),
    "efficientnet": (EncoderConfig("tf_efficientnet_lite0", preprocess={"input_size": [96, 64]}), 3, 2, 0),
    "efficientnet, stage": (
        EncoderConfig("tf_efficientnet_lite0", stage=-2, preprocess={"input_size": [64, 64]}), 4, 4, 0,
    ),
    "convnext": (EncoderConfig("convnext_atto", preprocess={"input_size": [64, 96]}), 2, 3, 0),
    "swin": (EncoderConfig("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1), "embed_dim": 24}), 7, 7, 0),
}  # fmt: skip


@pytest.mark.parametrize(("config", "rows", "cols", "prefix"), FAMILIES.values(), ids=FAMILIES.keys())
def test_grid(config: EncoderConfig, rows: int, cols: int, prefix: int) -> None:
    encoder = Encoder(config).eval()
    assert (encoder.rows, encoder.cols, encoder.prefix) == (rows, cols, prefix)
    images = torch.rand(2, 3, *encoder.preprocess.input_size)
    with torch.no_grad():
        memory = encoder(images)
    assert memory.tokens.shape == (2, prefix + rows * cols, encoder.channels)


@pytest.mark.parametrize("name", ["vit", "resnet", "convnext", "swin"])
def test_patches_are_in_row_major_order(name: str) -> None:
    """A spot changes the features of its own patch more than those of far ones."""
    config, rows, cols, prefix = FAMILIES[name]
    torch.manual_seed(0)
    encoder = Encoder(config).eval()
    height, width = encoder.preprocess.input_size
    plain = torch.zeros(1, 3, height, width)
    row, col = rows - 1, 0
    spotted = plain.clone()
    spotted[..., height * row // rows : height * (row + 1) // rows, width * col // cols : width * (col + 1) // cols] = (
        2.0
    )
    with torch.no_grad():
        change = (encoder(spotted).tokens - encoder(plain).tokens)[0, prefix:].norm(dim=-1)
    assert int(change.argmax()) == row * cols + col


def test_each_backbone_has_its_own_preprocessing() -> None:
    lite = Encoder(EncoderConfig("tf_efficientnet_lite0")).preprocess
    assert lite.input_size == (224, 224)
    assert lite.interpolation == "bicubic"
    assert lite.crop_pct == pytest.approx(0.875)
    assert Encoder(VIT).preprocess.input_size == (32, 32)
    assert Encoder(VIT).preprocess.crop_pct == 1.0


def test_weights_of_a_local_file_are_used(tmp_path: Path) -> None:
    source = timm.create_model("resnet10t", num_classes=7)
    for suffix in (".safetensors", ".pth"):
        path = tmp_path / f"weights{suffix}"
        if suffix == ".pth":
            torch.save(source.state_dict(), path)
        else:
            save_file(source.state_dict(), path)
        encoder = Encoder(EncoderConfig("resnet10t", weights=str(path)))
        torch.testing.assert_close(encoder.model.conv1[0].weight, source.conv1[0].weight)


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1.0.weight": Path("/")}, path)  # any object beyond tensors needs code to load
    with pytest.raises(CheckpointError, match="resnet10t"):
        Encoder(EncoderConfig("resnet10t", weights=str(path)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EncoderConfig("vit_nonsense"), "vit_nonsense"),
        (EncoderConfig("resnet10t", {"no_such_argument": 1}), "encoder.args"),
        (EncoderConfig("resnet10t", weights="/no/such/file.safetensors"), "no such file"),
        (EncoderConfig("resnet10t", stage=17), "no feature stage 17"),
    ],
)
def test_what_does_not_fit_has_one_clear_line(config: EncoderConfig, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        Encoder(config)
    assert "\n" not in str(caught.value)


def test_without_a_hub_the_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def offline(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to the hub")

    monkeypatch.setattr("timm.models._builder.load_pretrained", offline)
    with pytest.raises(CheckpointError, match=r"hub must be reachable, or give a local file as encoder\.weights"):
        Encoder(EncoderConfig("vit_tiny_patch16_224", pretrained=True))
