"""Attention by plain products in training: the fused function's values and gradients, and nothing else changed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hw3_browse.core.training import products
from hw3_browse.core.training.products import PlainProducts


def _tensors(queries: int, positions: int) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(3, 2, rows, 8, requires_grad=True) for rows in (queries, positions, positions)]


@pytest.mark.parametrize(("queries", "positions", "causal"), [(7, 7, True), (5, 9, False)])
def test_values_and_gradients_are_those_of_the_fused_function(queries: int, positions: int, causal: bool) -> None:
    found = []
    for context in (PlainProducts(), torch.enable_grad()):
        tensors = _tensors(queries, positions)
        with context:
            out = F.scaled_dot_product_attention(*tensors, is_causal=causal)
        out.square().sum().backward()
        found.append([out, *(tensor.grad for tensor in tensors)])
    for ours, fused in zip(*found, strict=True):
        torch.testing.assert_close(ours, fused, atol=1e-5, rtol=1e-5)


def test_what_it_cannot_do_is_left_to_the_fused_function(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain = products.attention
    monkeypatch.setattr(products, "attention", lambda *args, **kwargs: calls.append(1) or plain(*args, **kwargs))
    query, key, value = _tensors(4, 4)
    with PlainProducts():
        F.scaled_dot_product_attention(query, key, value)
        assert len(calls) == 1
        F.scaled_dot_product_attention(query, key, value, attn_mask=torch.ones(4, 4, dtype=torch.bool))
        F.scaled_dot_product_attention(query, key, value, dropout_p=0.5)
        F.scaled_dot_product_attention(query, key, value, scale=1.0)
        with torch.no_grad():
            F.scaled_dot_product_attention(query, key, value)
    F.scaled_dot_product_attention(query, key, value)
    assert len(calls) == 1
