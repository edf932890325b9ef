"""Rollout and relevance against slow implementations written from the papers, one picture and one token at a time.

The references share no code with the product: the encoder's blocks and the decoder's layers are written out (as
`torch.nn.MultiheadAttention` computes them), in double precision, and each token reads only the caption before it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from models import VIT, tiny_captioner
from torch import Tensor, nn

from hw3_browse.cache.errors import UsageError
from hw3_browse.core.attention import look
from hw3_browse.core.attribution import METHODS, attribute
from hw3_browse.core.attribution import relevance as relevance_module
from hw3_browse.core.attribution.recording import Recording, encode_recorded
from hw3_browse.core.attribution.rollout import encoder_rollout
from hw3_browse.core.captioner import Captioner
from hw3_browse.core.encoder import EncoderConfig, Memory

TOLERANCE = 1e-5
DEEP = replace(VIT, args={**VIT.args, "depth": 3})
ENCODERS = {
    "class and register tokens": DEEP,
    "patches only": replace(DEEP, prefix_tokens=False),
    "norms of queries and keys, layer scale": replace(DEEP, args={**DEEP.args, "qk_norm": True, "init_values": 0.5}),
}
MAP = EncoderConfig("resnet10t", {}, preprocess={"input_size": [64, 96]})
CAPTIONS = [[5, 9, 7, 30, 2], [11, 6, 2], [8, 8, 25, 40, 12, 2]]


def captioner_of(encoder: EncoderConfig, *, norm_first: bool = True) -> Captioner:
    """A tiny captioner whose encoder has attention far from even."""
    captioner = tiny_captioner(encoder, norm_first=norm_first, layers=3)
    with torch.no_grad():
        for name, parameter in captioner.encoder.named_parameters():
            if "qkv" in name or "proj.weight" in name:
                parameter.mul_(8)
    return captioner


def pictures(captioner: Captioner, count: int = len(CAPTIONS)) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(count, 3, *captioner.preprocess.input_size, generator=generator)


def memory_of(captioner: Captioner, images: Tensor) -> Memory:
    with torch.no_grad():
        return captioner.encode(images)


class Plain:
    """The captioner written out in double precision, one picture; keeps every attention with its gradient."""

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner.double()
        self.encoder: list[Tensor] = []
        self.own: list[Tensor] = []
        self.cross: list[Tensor] = []

    def encode(self, image: Tensor) -> Tensor:
        """Memory [position, channel]."""
        model = self.captioner.encoder.model
        x = model.norm_pre(model._pos_embed(model.patch_embed(image[None].double())))
        for block in model.blocks:
            x = x + block.ls1(self._self_attention(block.attn, block.norm1(x)))
            x = x + block.ls2(block.mlp(block.norm2(x)))
        x = model.norm(x)[0]
        return x if self.captioner.config.encoder.prefix_tokens else x[model.num_prefix_tokens :]

    def _self_attention(self, module: nn.Module, x: Tensor) -> Tensor:
        parts = module.qkv(x)[0].reshape(x.shape[1], 3, module.num_heads, -1).permute(1, 2, 0, 3)
        query, key, value = module.q_norm(parts[0]), module.k_norm(parts[1]), parts[2]
        weights = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[-1]), dim=-1)
        self.encoder.append(self._keep(weights))
        return module.proj((weights @ value).transpose(0, 1).flatten(1))[None]

    def logits(self, memory: Tensor, tokens: list[int]) -> Tensor:
        """Logits [vocabulary] of the token behind `tokens`."""
        decoder = self.captioner.decoder
        seen = decoder.memory_proj(decoder.memory_norm(memory)) + decoder.memory_position
        x = decoder.embedding(torch.tensor(tokens)) * math.sqrt(decoder.config.width)
        x = x + decoder.token_position[: len(tokens)]
        for layer in decoder.layers:
            x = self._layer(layer, x, seen)
        return nn.functional.linear(decoder.norm(x)[-1], decoder.embedding.weight, decoder.bias)

    def _layer(self, layer: nn.Module, x: Tensor, seen: Tensor) -> Tensor:
        def feed(y: Tensor) -> Tensor:
            return layer.linear2(nn.functional.gelu(layer.linear1(y)))

        if layer.norm_first:
            y = layer.norm1(x)
            x = x + self._attention(layer.self_attn, y, y, self.own, causal=True)
            x = x + self._attention(layer.multihead_attn, layer.norm2(x), seen, self.cross, causal=False)
            return x + feed(layer.norm3(x))
        x = layer.norm1(x + self._attention(layer.self_attn, x, x, self.own, causal=True))
        x = layer.norm2(x + self._attention(layer.multihead_attn, x, seen, self.cross, causal=False))
        return layer.norm3(x + feed(x))

    def _attention(self, module: nn.Module, x: Tensor, of: Tensor, kept: list[Tensor], *, causal: bool) -> Tensor:
        width = x.shape[-1]
        query = (x @ module.in_proj_weight[:width].T + module.in_proj_bias[:width]).unflatten(1, (module.heads, -1))
        both = of @ module.in_proj_weight[width:].T + module.in_proj_bias[width:]
        key, value = (part.unflatten(1, (module.heads, -1)) for part in both.chunk(2, dim=1))
        scores = torch.einsum("qhc,khc->hqk", query, key) / math.sqrt(query.shape[-1])
        if causal:
            scores = scores + nn.Transformer.generate_square_subsequent_mask(len(x), dtype=scores.dtype)
        weights = torch.softmax(scores, dim=-1)
        kept.append(self._keep(weights))
        return module.out_proj(torch.einsum("hqk,khc->qhc", weights, value).flatten(1))

    @staticmethod
    def _keep(weights: Tensor) -> Tensor:
        weights.retain_grad()
        return weights


def _divided(matrix: Tensor) -> Tensor:
    """Equations 8 and 9, row by row."""
    result = torch.eye(len(matrix), dtype=matrix.dtype)
    rest = matrix - result
    for row in range(len(matrix)):
        if rest[row].sum() > 0:
            result[row] += rest[row] / rest[row].sum()
    return result


def plain_relevance(captioner: Captioner, image: Tensor | None, features: Tensor, caption: list[int]) -> Tensor:
    """[token, layer, position] from the paper's equations, a new model run for each token."""
    bos = captioner.tokenizer.bos_id
    rows = []
    for place, token in enumerate(caption):
        plain = Plain(captioner)
        memory = features.double() if image is None else plain.encode(image)
        plain.logits(memory, [bos, *caption[:place]])[token].backward()

        def bar(weights: Tensor) -> Tensor:
            return (weights.detach() * weights.grad).clamp(min=0).mean(0)

        encoder_tokens = plain.encoder[0].shape[-1] if plain.encoder else len(memory)
        r_ii = torch.eye(encoder_tokens, dtype=torch.double)
        for weights in plain.encoder:
            r_ii = r_ii + bar(weights) @ r_ii
        r_ss = torch.eye(place + 1, dtype=torch.double)
        r_si = torch.zeros(place + 1, encoder_tokens, dtype=torch.double)
        layers = []
        for own, cross in zip(plain.own, plain.cross, strict=True):
            r_si = r_si + bar(own) @ r_si
            r_ss = r_ss + bar(own) @ r_ss
            onto = torch.zeros(place + 1, encoder_tokens, dtype=torch.double)
            onto[:, encoder_tokens - len(memory) :] = bar(cross)
            r_si = r_si + _divided(r_ss).T @ onto @ _divided(r_ii)
            layers.append(r_si[-1, encoder_tokens - len(memory) :])
        rows.append(torch.stack(layers))
    found = torch.stack(rows)
    totals = found.sum(-1, keepdim=True)
    return torch.where(totals > 0, found / totals, 1 / found.shape[-1])  # nothing found: anywhere


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
def test_recorded_attention_equals_plain_maths(encoder: EncoderConfig) -> None:
    captioner = captioner_of(encoder)
    images = pictures(captioner, 2)
    with torch.no_grad():
        memory, weights = encode_recorded(captioner, images)
        torch.testing.assert_close(memory.tokens, captioner.encode(images).tokens, atol=TOLERANCE, rtol=0)
    assert weights is not None
    assert len(weights) == 3
    spread = max(float(layer.std()) for layer in weights)
    assert spread > 0.03  # else the test would say little
    for row in range(2):
        plain = Plain(captioner)
        plain.encode(images[row])
        for layer, expected in zip(weights, plain.encoder, strict=True):
            torch.testing.assert_close(layer[row], expected.detach().float(), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("mask", ["none", "boolean", "added", "causal"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_recording_computes_what_the_fused_kernel_does(mask: str, scale: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 4, 5, 8, generator=generator) for _ in range(3))
    given: dict[str, object] = {"scale": scale}
    if mask == "boolean":
        given["attn_mask"] = torch.rand(2, 1, 5, 5, generator=generator) > 0.3
    if mask == "added":
        given["attn_mask"] = torch.randn(5, 5, generator=generator)
    given["is_causal"] = mask == "causal"
    key, value = key[:, :2], value[:, :2]
    fused = nn.functional.scaled_dot_product_attention(query, key, value, enable_gqa=True, **given)  # type: ignore[arg-type]
    with Recording() as recorded:
        opened = nn.functional.scaled_dot_product_attention(query, key, value, enable_gqa=True, **given)  # type: ignore[arg-type]
    torch.testing.assert_close(opened, fused, atol=1e-6, rtol=0)
    torch.testing.assert_close(recorded.weights[0].sum(-1), torch.ones(2, 4, 5))


def test_recorded_attention_of_rotary_positions_equals_the_unfused_path() -> None:
    encoder = EncoderConfig(
        "eva02_tiny_patch14_224", {"img_size": 28, "embed_dim": 32, "depth": 2, "num_heads": 2}, prefix_tokens=False
    )
    captioner = captioner_of(encoder)
    images = pictures(captioner, 1)
    seen: list[Tensor] = []
    with torch.no_grad():
        _, weights = encode_recorded(captioner, images)
        for block in captioner.encoder.model.blocks:
            block.attn.fused_attn = False
            block.attn.attn_drop.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
        captioner.encode(images)
    assert weights is not None
    for layer, expected in zip(weights, seen, strict=True):
        torch.testing.assert_close(layer, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
def test_rollout_equals_plain_maths(encoder: EncoderConfig) -> None:
    captioner = captioner_of(encoder)
    images = pictures(captioner)
    memory = memory_of(captioner, images)
    raw = look(captioner, memory, CAPTIONS)
    found = attribute(captioner, images, memory, CAPTIONS, "rollout")
    for row, (one, before) in enumerate(zip(found, raw, strict=True)):
        plain = Plain(captioner)
        positions = len(plain.encode(images[row]))
        eye = torch.eye(plain.encoder[0].shape[-1], dtype=torch.double)
        carried = eye
        for weights in plain.encoder:
            carried = (0.5 * weights.detach().mean(0) + 0.5 * eye) @ carried
        expected = (before.attention.double() @ carried[-positions:])[..., -positions:]
        expected = expected / expected.sum(-1, keepdim=True)
        torch.testing.assert_close(one.attention, expected.float(), atol=TOLERANCE, rtol=0)
        assert one.attention.shape == before.attention.shape
        torch.testing.assert_close(one.logprobs, before.logprobs)
        captioner.float()


def test_rollout_of_an_encoder_that_attends_to_itself_alone_changes_nothing() -> None:
    weights = [torch.eye(5).expand(2, 5, 5)] * 4
    torch.testing.assert_close(encoder_rollout(weights), torch.eye(5).expand(2, 5, 5))


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
def test_relevance_equals_the_papers_equations(encoder: EncoderConfig, norm_first: bool) -> None:
    captioner = captioner_of(encoder, norm_first=norm_first)
    images = pictures(captioner)
    memory = memory_of(captioner, images)
    found = attribute(captioner, images, memory, CAPTIONS, "relevance")
    for row, caption in enumerate(CAPTIONS):
        expected = plain_relevance(captioner, images[row], memory.tokens[row], caption)
        assert found[row].attention.shape == (len(caption), 3, 1, memory.tokens.shape[1])
        torch.testing.assert_close(found[row].attention[:, :, 0], expected.float(), atol=TOLERANCE, rtol=0)
    assert max(float(one.attention.max()) for one in found) > 0.1  # far from even, which would be about .05


@pytest.mark.parametrize("kept", [True, False], ids=["kept features", "convolutional"])
def test_relevance_without_encoder_attention_is_that_of_the_memory(kept: bool) -> None:
    captioner = captioner_of(DEEP if kept else MAP)
    images = pictures(captioner)
    memory = memory_of(captioner, images)
    found = attribute(captioner, None if kept else images, memory, CAPTIONS, "relevance")
    for row, caption in enumerate(CAPTIONS):
        expected = plain_relevance(captioner, None, memory.tokens[row], caption)
        torch.testing.assert_close(found[row].attention[:, :, 0], expected.float(), atol=TOLERANCE, rtol=0)


def test_relevance_in_small_groups_and_with_frozen_weights_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = captioner_of(DEEP)
    images = pictures(captioner)
    memory = memory_of(captioner, images)
    together = attribute(captioner, images, memory, CAPTIONS, "relevance")
    monkeypatch.setattr(relevance_module, "_CPU_BYTES", 1)
    captioner.requires_grad_(requires_grad=False)
    alone = attribute(captioner, images, memory, CAPTIONS, "relevance")
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.attention, other.attention, atol=TOLERANCE, rtol=0)


def test_maps_under_mixed_precision_are_those_of_full_precision() -> None:
    captioner = captioner_of(DEEP)
    images = pictures(captioner)
    exact = attribute(captioner, images, memory_of(captioner, images), CAPTIONS, "relevance")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        mixed = attribute(captioner, images, captioner.encode(images), CAPTIONS, "relevance")
    for one, other in zip(exact, mixed, strict=True):
        torch.testing.assert_close(one.attention, other.attention, atol=TOLERANCE, rtol=0)


def test_raw_attention_is_what_look_gives() -> None:
    captioner = captioner_of(DEEP)
    images = pictures(captioner)
    memory = memory_of(captioner, images)
    found = attribute(captioner, images, memory, CAPTIONS, "attention")
    for one, other in zip(found, look(captioner, memory, CAPTIONS), strict=True):
        torch.testing.assert_close(one.attention, other.attention)


@pytest.mark.parametrize("encoder", [DEEP, MAP], ids=["vit", "convolutional"])
def test_all_rows_are_distributions(encoder: EncoderConfig) -> None:
    captioner = captioner_of(encoder)
    images = pictures(captioner)
    memory = memory_of(captioner, images)
    for method in METHODS if encoder is DEEP else ("attention", "relevance"):
        for one in attribute(captioner, images, memory, CAPTIONS, method):
            assert one.attention.min() >= 0
            torch.testing.assert_close(one.attention.sum(-1), torch.ones(one.attention.shape[:-1]))


def test_rollout_says_in_one_line_where_it_makes_no_sense() -> None:
    for encoder, given in ((MAP, True), (DEEP, False)):
        captioner = captioner_of(encoder)
        images = pictures(captioner)
        memory = memory_of(captioner, images)
        with pytest.raises(UsageError, match="no self-attention over its patches") as error:
            attribute(captioner, images if given else None, memory, CAPTIONS, "rollout")
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="no such method"):
        attribute(captioner, images, memory, CAPTIONS, "gradcam")


def test_windowed_attention_is_not_taken_for_a_stack_over_the_same_tokens() -> None:
    encoder = EncoderConfig(
        "swin_tiny_patch4_window7_224",
        {"img_size": 32, "window_size": 4, "embed_dim": 12, "depths": [1, 1], "num_heads": [1, 2]},
    )
    captioner = captioner_of(encoder)
    with torch.no_grad():
        assert encode_recorded(captioner, pictures(captioner, 1))[1] is None
