"""Dropout on a CPU: what torch's does, by another source of chance."""

from __future__ import annotations

import pytest
import torch

from hw3_browse.core.dropout import Dropout


def test_numbers_are_dropped_and_the_others_make_up_for_it() -> None:
    torch.manual_seed(0)
    ones = torch.ones(400, 500)
    out = Dropout(0.3)(ones)
    kept = out != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.005)  # five standard deviations
    assert out.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.allclose(out[kept], torch.tensor(1 / 0.7), rtol=1e-4)
    assert kept.any(dim=0).all()  # no row and no column is dropped as a whole
    assert kept.any(dim=1).all()


def test_chance_is_that_of_torchs_generator() -> None:
    dropout, ones = Dropout(0.5), torch.ones(50, 50)
    torch.manual_seed(3)
    first, second = dropout(ones), dropout(ones)
    torch.manual_seed(3)
    assert dropout(ones).equal(first)
    assert not first.equal(second)


def test_gradients_pass_where_numbers_passed() -> None:
    torch.manual_seed(0)
    x = torch.randn(30, 40, requires_grad=True)
    out = Dropout(0.25)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad * x, out)


def test_nothing_is_dropped_in_evaluation_or_with_probability_zero() -> None:
    x = torch.randn(5, 6)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x).equal(x)
    assert Dropout(1.0)(x).equal(torch.zeros_like(x))


def test_precision_stays() -> None:
    assert Dropout(0.5)(torch.ones(4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
