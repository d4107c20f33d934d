"""Supervised contrastive loss against plain loops over pairs, from the paper's equation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from embloom.losses.supervised_contrastive import SupervisedContrastive

TARGET = torch.tensor([0, 1, 0, 2, 1, 0, 3])  # 2 and 3 occur once: no positive


def by_definition(embedding: Tensor, target: Tensor, temperature: float) -> float:
    """Khosla et al. 2020, equation 2, L_out; the mean over the anchors that have a positive."""
    z = [row / row.norm() for row in embedding]
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if target[p] == target[i]]
        if not positives:
            continue
        normalizer = sum(math.exp(float(z[i] @ z[a]) / temperature) for a in others)
        logs = [math.log(math.exp(float(z[i] @ z[p]) / temperature) / normalizer) for p in positives]
        losses.append(-sum(logs) / len(positives))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_is_the_equation(temperature: float) -> None:
    x = 3 * torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = SupervisedContrastive(temperature)(x, TARGET)
    assert float(found) == pytest.approx(by_definition(x, TARGET, temperature), abs=1e-10)


def test_gradient() -> None:
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: SupervisedContrastive(0.5)(x, TARGET), (x,))


def test_only_directions_count() -> None:
    x = torch.randn(7, 4, dtype=torch.float64)
    scaled = x * torch.rand(7, 1, dtype=torch.float64).add(0.1)
    loss = SupervisedContrastive()
    torch.testing.assert_close(loss(x, TARGET), loss(scaled, TARGET))


@pytest.mark.parametrize("count", [1, 4])
def test_no_positives_is_zero_with_a_zero_gradient(count: int) -> None:
    x = torch.randn(count, 3, requires_grad=True)
    loss = SupervisedContrastive()(x, torch.arange(count))
    loss.backward()
    assert loss == 0
    assert x.grad is not None
    assert (x.grad == 0).all()


def test_small_temperature_stays_finite_in_float32() -> None:
    x = torch.randn(7, 4, requires_grad=True)
    loss = SupervisedContrastive(1e-3)(x, TARGET)
    loss.backward()
    assert loss.isfinite()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_refuses_a_temperature_that_is_not_positive() -> None:
    with pytest.raises(ValueError, match=r"^temperature=0"):
        SupervisedContrastive(0)
