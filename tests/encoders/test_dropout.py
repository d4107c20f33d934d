"""Dropout: how often, how scaled, and as a function of the seed."""

from __future__ import annotations

import math

import pytest
import torch

from embloom.encoders.dropout import Dropout
from embloom.seeding import seed_step

CPU = torch.device("cpu")
COUNT = 400_000


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9, 0.999])
def test_drops_as_often_as_it_says_and_scales_the_rest(p: float) -> None:
    torch.manual_seed(0)
    out = Dropout(p).train()(torch.ones(COUNT))
    dropped = float((out == 0).double().mean())
    assert abs(dropped - p) < 5 * math.sqrt(p * (1 - p) / COUNT)
    kept = out[out != 0]
    assert (kept == kept[0]).all()
    # p is rounded to 2^-16.
    assert float(kept[0]) == pytest.approx(1 / (1 - p), rel=2**-16 / (1 - p))
    # The expectation is exact for the rounded p, so only chance is left.
    assert float(out.double().mean()) == pytest.approx(1, abs=5 * math.sqrt(p / (1 - p) / COUNT))


def test_decisions_are_independent_of_their_neighbors() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.3).train()(torch.ones(COUNT)) != 0).double() - 0.7
    for lag in (1, 2, 3, 4, 8, 512):
        assert abs(float((kept[:-lag] * kept[lag:]).mean())) < 5 * 0.21 / math.sqrt(COUNT), lag


def test_every_place_and_every_lane_is_dropped_alike() -> None:
    torch.manual_seed(0)
    layer, x, count = Dropout(0.5).train(), torch.ones(5, 7), 4000
    dropped = sum((layer(x) == 0).double() for _ in range(count)) / count
    assert (dropped - 0.5).abs().max() < 5 * 0.5 / math.sqrt(count)


def test_mask_is_a_function_of_seed_epoch_and_step() -> None:
    layer, x = Dropout(0.5).train(), torch.randn(33, 65)

    def masked(*numbers: int) -> torch.Tensor:
        seed_step(CPU, *numbers)
        return layer(x)

    first = masked(0, 1, 2)
    torch.rand(1000)  # what was drawn before makes no difference
    assert torch.equal(masked(0, 1, 2), first)
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not torch.equal(masked(*other), first)


def test_passes_the_gradient_of_what_is_kept() -> None:
    x = torch.randn(50, 40, requires_grad=True)
    out = Dropout(0.3).train()(x)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), out.detach())


def test_keeps_shape_and_type() -> None:
    layer = Dropout(0.5).train()
    for shape in ((), (1,), (3,), (0, 4), (2, 3, 5)):
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            out = layer(torch.ones(shape, dtype=dtype))
            assert (out.shape, out.dtype) == (shape, dtype)


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_is_the_identity_in_evaluation(p: float) -> None:
    x = torch.randn(4, 4)
    assert Dropout(p).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, float("nan")])
def test_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match=r"^dropout="):
        Dropout(p)
