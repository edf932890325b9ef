"""Packing attention: how much survives, and what damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard
from fakes import fake_attention
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hw3_browse.cache.codec import Attention, Codec, decode, decode_mean, encode, encode_mean, grid_map
from hw3_browse.cache.errors import CacheDamaged


def attention(tokens: int = 7, grid: tuple[int, int] = (14, 14), prefix: int = 1) -> np.ndarray:
    """Return attention of 2 layers and 3 heads."""
    return fake_attention(np.random.default_rng(0), tokens, 2, 3, grid, prefix)


_WEIGHTS = hnp.arrays(
    np.float32,
    st.tuples(*[st.integers(0, 3)] * 3, st.integers(1, 40)),
    elements=st.floats(0, 1, width=32),
)


@given(_WEIGHTS)
def test_u8_keeps_sums_and_order_of_magnitude(weights: np.ndarray) -> None:
    sums = weights.sum(axis=-1, keepdims=True)
    weights = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)
    found = decode(encode(weights, "u8-sqrt"), weights.shape, "u8-sqrt")
    assert found.shape == weights.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=-1), weights.sum(axis=-1), atol=1e-3)
    if weights.size:
        # Rounding the root by half a level moves a weight by about 2 * sqrt(w * largest) * (.5 / 255).
        largest = weights.max(axis=-1, keepdims=True)
        bound = 2 * np.sqrt(weights * largest) / 510 + largest / 510**2
        assert (np.abs(found - weights) <= bound + found * bound.sum(axis=-1, keepdims=True) * 2 + 1e-3).all()


@given(_WEIGHTS)
def test_f16_is_exact_to_half_precision(weights: np.ndarray) -> None:
    found = decode(encode(weights, "f16"), weights.shape, "f16")
    np.testing.assert_array_equal(found, weights.astype(np.float16).astype(np.float32))


@given(_WEIGHTS)
def test_mean_over_heads(weights: np.ndarray) -> None:
    if weights.shape[2] == 0:
        return
    found = decode_mean(encode_mean(weights), weights.shape)
    np.testing.assert_array_equal(found, weights.mean(axis=2, dtype=np.float32).astype(np.float16))


@pytest.mark.parametrize("peak", [0.0, 1.0, 10.0])
def test_u8_error_on_flat_and_peaked_attention(peak: float) -> None:
    logits = peak * np.random.default_rng(0).normal(size=(9, 2, 4, 197))
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights = (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)
    found = decode(encode(weights, "u8-sqrt"), weights.shape, "u8-sqrt")
    total_variation = np.abs(found - weights).sum(axis=-1).mean() / 2
    assert total_variation < 0.004


def test_half_precision_input_is_taken() -> None:
    weights = attention().astype(np.float16)
    np.testing.assert_allclose(decode(encode(weights, "u8-sqrt"), weights.shape, "u8-sqrt"), weights, atol=5e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_impossible_weights_are_refused(bad: float) -> None:
    weights = attention()
    weights[0, 0, 0, 3] = bad
    with pytest.raises(ValueError, match="finite and not negative"):
        encode(weights, "u8-sqrt")


def test_wrong_axes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[tokens, layers, heads, positions\]"):
        encode(np.zeros((2, 3, 4), np.float32), "f16")


@pytest.mark.parametrize("codec", ["u8-sqrt", "f16"])
@given(st.data())
def test_every_flipped_bit_is_noticed(codec: Codec, data: st.DataObject) -> None:
    weights = attention(tokens=2, grid=(3, 3))
    blob = bytearray(encode(weights, codec))
    place = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[place // 8] ^= 1 << place % 8
    try:
        found = decode(bytes(blob), weights.shape, codec)
    except CacheDamaged:
        return
    # A few bits of the frame's header mean nothing to a reader; then nothing may have changed.
    np.testing.assert_array_equal(found, decode(encode(weights, codec), weights.shape, codec))


@pytest.mark.parametrize("codec", ["u8-sqrt", "f16"])
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_cleanly(codec: Codec, blob: bytes) -> None:
    with pytest.raises(CacheDamaged):
        decode(blob, (2, 2, 3, 10), codec)


@pytest.mark.parametrize("codec", ["u8-sqrt", "f16"])
def test_cut_and_other_shapes_are_noticed(codec: Codec) -> None:
    weights = attention()
    blob = encode(weights, codec)
    with pytest.raises(CacheDamaged):
        decode(blob[:-1], weights.shape, codec)
    with pytest.raises(CacheDamaged):
        decode(blob, (8, *weights.shape[1:]), codec)


def test_a_bomb_takes_no_memory() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(50_000_000))
    with pytest.raises(CacheDamaged, match="expected"):
        decode(bomb, (2, 2, 3, 10), "f16")
    with pytest.raises(CacheDamaged):  # the row itself claims a size that nobody has
        decode(bomb, (10**6, 10, 10, 10**4), "f16")


def test_map_is_a_distribution_over_the_patches() -> None:
    weights = attention(grid=(4, 5), prefix=2)
    packed = Attention(weights, prefix=2, rows=4, cols=5)
    found = packed.map(3, layer=0, head=1)
    patches = weights[3, 0, 1, 2:]
    np.testing.assert_allclose(found, (patches / patches.sum()).reshape(4, 5), rtol=1e-6)
    assert found.dtype == np.float32


def test_map_over_heads() -> None:
    weights = attention(grid=(4, 5))
    packed = Attention(weights, 1, 4, 5)
    for head, chosen in (("mean", weights[2, -1].mean(axis=0)), ("max", weights[2, -1].max(axis=0))):
        expected = chosen[1:] / chosen[1:].sum()
        np.testing.assert_allclose(packed.map(2, head=head), expected.reshape(4, 5), rtol=1e-5)


def test_word_is_the_mean_of_its_pieces() -> None:
    packed = Attention(attention(grid=(4, 5)), 1, 4, 5)
    expected = (packed.map(1) + packed.map(2) + packed.map(3)) / 3
    np.testing.assert_allclose(packed.word_map((1, 2, 3)), expected, rtol=1e-5)


def test_attention_all_on_the_prefix_gives_a_map_of_zeros() -> None:
    weights = np.zeros((1, 1, 1, 21), np.float32)
    weights[..., 0] = 1
    assert not Attention(weights, 1, 4, 5).map(0).any()
    both = np.concatenate([weights, np.full_like(weights, 1 / 21)])
    np.testing.assert_allclose(Attention(both, 1, 4, 5).word_map((0, 1)), np.full((4, 5), 1 / 20), rtol=1e-5)


def test_rows_and_columns_are_not_mixed_up() -> None:
    weights = np.zeros((1, 8), np.float32)
    weights[0, 2 + 1 * 3 + 2] = 1  # prefix 2, row 1, column 2 of a 2 x 3 grid
    found = grid_map(weights, prefix=2, rows=2, cols=3)
    assert np.argwhere(found).tolist() == [[1, 2]]


def test_unknown_tokens_layers_and_heads() -> None:
    packed = Attention(attention(grid=(4, 5)), 1, 4, 5)
    for wrong in ({"token": 7}, {"token": 0, "layer": 2}, {"token": 0, "head": 3}):
        with pytest.raises(IndexError):
            packed.map(**wrong)
    with pytest.raises(ValueError, match="at least one piece"):
        packed.word_map(())
