"""Checkpoints made elsewhere: a student's captioner in plain torch, saved as such are, against what it becomes."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from models import tiny_captioner, tiny_tokenizer
from safetensors.torch import save_file
from torch import Tensor, nn

from hw3_browse.cache.errors import CheckpointError, UsageError
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.cli import main
from hw3_browse.core.config import build
from hw3_browse.core.convert import DecoderKind, Keys, Mapped, read_state
from hw3_browse.core.decoder import DecoderConfig

VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
MAPPING = """
tokenizer = "tokenizer.json"
ignore = ["encoder.head.*"]
{top}
[encoder]
name = "vit_tiny_patch16_224"
[encoder.args]
img_size = 32
patch_size = 8
embed_dim = 24
depth = 1
num_heads = 2
[decoder]
heads = 4
{decoder}
[keys]
encoder = "encoder."
layers = "decoder.layers.{{}}."
embedding = "word_embedding.weight"
{keys}
"""


class Student(nn.Module):
    """As many have written it: post-norm, relu, learnt positions, a projection, a head of its own."""

    def __init__(self, words: int, width: int = 32) -> None:
        super().__init__()
        self.encoder = timm.create_model("vit_tiny_patch16_224", num_classes=5, **VIT)
        self.projection = nn.Linear(24, width)
        self.word_embedding = nn.Embedding(words, width)
        self.positions = nn.Parameter(torch.randn(1, 16, width) * 0.5)
        self.decoder = nn.TransformerDecoder(self.layer(width), num_layers=2)
        self.head = nn.Linear(width, words)

    def layer(self, width: int) -> nn.TransformerDecoderLayer:
        return nn.TransformerDecoderLayer(width, 4, 48, batch_first=True)

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        memory = self.projection(self.encoder.forward_features(images))
        x = self.word_embedding(tokens) + self.positions[:, : tokens.shape[1]]
        return self.head(self.decoder(x, memory, tgt_mask=self.mask(tokens)))

    @staticmethod
    def mask(tokens: Tensor) -> Tensor:
        return nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])


class Other(Student):
    """Another: pre-norm, gelu, sinusoids, a scaled embedding that is the head too, a norm at the end, no projection."""

    def __init__(self, words: int) -> None:
        super().__init__(words, 24)
        self.decoder = nn.TransformerDecoder(self.layer(24), num_layers=3, norm=nn.LayerNorm(24))
        del self.projection, self.positions, self.head

    def layer(self, width: int) -> nn.TransformerDecoderLayer:
        return nn.TransformerDecoderLayer(width, 4, 48, batch_first=True, norm_first=True, activation="gelu")

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        place, channel = torch.meshgrid(torch.arange(tokens.shape[1]), torch.arange(24), indexing="ij")
        angle = place / 10_000 ** (channel.div(2, rounding_mode="floor") * 2 / 24)
        positions = torch.where(channel % 2 == 0, angle.sin(), angle.cos())
        x = self.word_embedding(tokens) * math.sqrt(24) + positions
        seen = self.decoder(x, self.encoder.forward_features(images), tgt_mask=self.mask(tokens))
        return seen @ self.word_embedding.weight.T


KINDS = {
    "student": (
        Student, "", "",
        'positions = "positions"\nprojection = "projection"\nhead = "head"',
    ),
    "other": (
        Other, "", 'norm_first = true\nactivation = "gelu"\nscaled_embedding = true\nmax_length = 20',
        'head = ""\nfinal_norm = "decoder.norm"',
    ),
}  # fmt: skip


def spread(model: nn.Module) -> nn.Module:
    """Away from the fresh state, where biases are zero and norms are one."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def write(folder: Path, kind: str) -> tuple[Any, Path, Path]:
    """A model, its checkpoint and its mapping on disk."""
    torch.manual_seed(0)
    make, top, decoder, keys = KINDS[kind]
    tokenizer = tiny_tokenizer()
    tokenizer.save(folder / "tokenizer.json")
    model = spread(make(tokenizer.vocab_size))
    mapping = folder / "mapping.toml"
    mapping.write_text(MAPPING.format(top=top, decoder=decoder, keys=keys))
    checkpoint = folder / "best.pth"
    torch.save(model.state_dict(), checkpoint)
    return model, checkpoint, mapping


def attention_of(model: Any, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the cross-attention [caption, token, layer, head, position] of torch's own layers."""
    looked = []
    for layer in model.decoder.layers:

        def forward(*inputs: Any, own: Any = layer.multihead_attn.forward, **options: Any) -> Any:
            seen, weights = own(*inputs, **{**options, "need_weights": True, "average_attn_weights": False})
            looked.append(weights)
            return seen, weights

        layer.multihead_attn.forward = forward
    with torch.no_grad():
        logits = model(images, tokens)
    return logits, torch.stack(looked, 1).permute(0, 3, 1, 2, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_attention_are_the_original_s(tmp_path: Path, kind: str) -> None:
    model, checkpoint, mapping = write(tmp_path, kind)
    assert main(["convert", str(checkpoint), str(tmp_path / "ours"), "--mapping", str(mapping)]) == 0
    captioner = Captioner.load(tmp_path / "ours")
    torch.manual_seed(1)
    images, tokens = torch.randn(2, 3, 32, 32), torch.randint(4, 60, (2, 11))
    logits, looked = attention_of(model, images, tokens)
    with torch.inference_mode():
        memory = captioner.encode(images)
        found, weights = captioner.decoder.forward_with_attention(memory.tokens, tokens)
        state = captioner.decoder.start(memory.tokens)
        steps = torch.stack([captioner.decoder.step(state, tokens[:, place]) for place in range(11)], 1)
    torch.testing.assert_close(found, logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(steps, logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weights, looked, atol=1e-5, rtol=1e-5)
    assert memory.prefix == 1


@pytest.mark.parametrize("how", ["safetensors", "inside", "parallel", "half"])
def test_checkpoints_come_in_several_forms(tmp_path: Path, how: str) -> None:
    model, checkpoint, mapping = write(tmp_path, "student")
    state, more = model.state_dict(), []
    if how == "safetensors":
        checkpoint = tmp_path / "best.safetensors"
        save_file(state, checkpoint)
    elif how == "inside":
        torch.save({"epoch": 3, "model": state, "optimizer": {"lr": 0.1}}, checkpoint)
        more = ["--set", "inside=model"]
    elif how == "parallel":
        torch.save({f"module.{name}": value for name, value in state.items()}, checkpoint)
    else:
        more = ["--half"]
    assert main(["convert", str(checkpoint), str(tmp_path / "ours"), "--mapping", str(mapping), *more]) == 0
    head = Captioner.load(tmp_path / "ours").decoder.head
    assert head is not None
    torch.testing.assert_close(head, model.head.weight, atol=1e-3 if how == "half" else 0, rtol=0)


def test_an_encoder_that_is_not_in_the_file(tmp_path: Path) -> None:
    model, checkpoint, mapping = write(tmp_path, "student")
    save_file(
        timm.create_model("vit_tiny_patch16_224", num_classes=0, **VIT).state_dict(), tmp_path / "vit.safetensors"
    )
    parts = {name: value for name, value in model.state_dict().items() if not name.startswith("encoder.")}
    torch.save(parts, checkpoint)
    command = [
        "convert",
        str(checkpoint),
        str(tmp_path / "ours"),
        "--mapping",
        str(mapping),
        "--set",
        'keys.encoder=""',
    ]
    assert main(command) == 2
    assert main([*command, "--set", f"encoder.weights={tmp_path / 'vit.safetensors'}"]) == 0
    captioner = Captioner.load(tmp_path / "ours")
    expected = read_state(tmp_path / "vit.safetensors")
    torch.testing.assert_close(captioner.encoder.model.cls_token, expected["cls_token"])
    assert captioner.config.encoder.weights is None  # the folder needs no other file


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["keys.projection="], "32; name what projects them as keys.projection"),
        (
            ["keys.embedding=word_embeddin.weight"],
            "has no word_embeddin.weight ([keys]); did you mean word_embedding.weight",
        ),
        (["keys.layers=layers.{}."], "has no layers.0. (keys.layers)"),
        (["keys.layers=decoder.layers"], "needs {} where the layer's number stands"),
        (["keys.encoder=backbone."], "has no backbone. (keys.encoder)"),
        (['ignore=["encoder.head.weight"]'], "vit_tiny_patch16_224 has no encoder.model.head.bias"),
        (['ignore=["encoder.*"]'], "has no encoder. (keys.encoder)"),
        (['ignore=["encoder.head.*", "encoder.norm.*"]'], "nothing for 2 parameters (encoder.model.norm.weight"),
        (["keys.head=", 'ignore=["encoder.head.*", "head.weight"]'], "1 keys are left over (head.bias)"),
        (["encoder.args.depth=2"], "nothing for 12 parameters"),
        (["encoder.args.patch_size=16"], "has the shape"),
        (["decoder.heads=5"], "the decoder's width of 32 is no multiple of it"),
        (["decoder.activation=tanh"], "'tanh' is not one of relu, gelu"),
        (["keys.final_norm=decoder.norm"], "has no decoder.norm.weight"),
        (["inside=model"], "has no entry 'model'"),
        (["tokenizer=other.json"], "no such tokenizer file"),
    ],
)
def test_what_does_not_fit_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: list[str], message: str
) -> None:
    _, checkpoint, mapping = write(tmp_path, "student")
    more = [word for setting in settings for word in ("--set", setting)]
    assert main(["convert", str(checkpoint), str(tmp_path / "ours"), "--mapping", str(mapping), *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "ours").exists()


class Code:
    def __reduce__(self) -> Any:
        return print, ("run",)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weight": torch.zeros(1), "config": Code()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="could be code, and is not read"):
        read_state(tmp_path / "evil.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_none(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"best{suffix}"
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        read_state(file)
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=str(file)):
        read_state(file)


def test_keys_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": {"a.weight": torch.zeros(2, 3), "step": torch.tensor(1)}}, tmp_path / "x.pth")
    assert main(["convert", str(tmp_path / "x.pth"), "--inside", "model"]) == 0
    assert capsys.readouterr().out == "a.weight  2 x 3\nstep  a number\n"
    assert main(["convert", str(tmp_path / "x.pth")]) == 2
    assert "is no state dict; it has model" in capsys.readouterr().err


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    _, checkpoint, mapping = write(tmp_path, "student")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "mine").write_text("mine")
    assert main(["convert", str(checkpoint), str(tmp_path / "ours"), "--mapping", str(mapping)]) == 2
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["mine"]
    assert main(["convert", str(checkpoint), str(tmp_path / "new")]) == 2  # without a mapping


def test_configs_of_our_own_decoders_have_not_changed() -> None:
    """They are part of the plans of unfinished caches."""
    assert list(DecoderConfig().to_json()) == [
        "layers", "heads", "width", "feedforward", "dropout", "attention_dropout", "max_length", "norm_first",
    ]  # fmt: skip
    assert DecoderConfig(**DecoderConfig(tied=False).to_json()) == DecoderConfig(tied=False)
    assert "decoder.head" not in tiny_captioner().state_dict()


def test_the_mapping_of_the_documentation_has_every_setting() -> None:
    text = (Path(__file__).parents[2] / "docs" / "captioners.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    data = tomllib.loads(example)
    build(Mapped, data)
    for kind, found in ((Mapped, data), (Keys, data["keys"]), (DecoderKind, data["decoder"])):
        assert {field.name for field in fields(kind)} == set(found)


def test_a_setting_that_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match="decoder is missing"):
        build(Mapped, {"encoder": {"name": "x"}, "tokenizer": "t.json"})
