"""Triplet loss and its mining against plain loops over triplets."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from embloom.losses.triplet import Triplet

TARGET = torch.tensor([0, 1, 0, 2, 1, 0])
SETTINGS = [
    (margin, mining, normalize)
    for margin in (0.0, 0.2, 1.5)
    for mining in ("hard", "all")
    for normalize in (True, False)
]


def by_definition(x: Tensor, target: list[int], margin: float, mining: str) -> float:
    """Hermans et al. 2017, equation 5 for `hard`; Schroff et al. 2015, equation 3, over violating triplets for
    `all`."""
    points = range(len(x))

    def distance(i: int, j: int) -> float:
        return float((x[i] - x[j]).norm())

    def violation(difference: float) -> float:
        return max(0.0, difference + margin) if margin else math.log1p(math.exp(difference))

    losses = []
    for a in points:
        positives = [p for p in points if p != a and target[p] == target[a]]
        negatives = [n for n in points if target[n] != target[a]]
        if mining == "all":
            losses += [violation(distance(a, p) - distance(a, n)) for p in positives for n in negatives]
        elif positives and negatives:
            farthest, nearest = max(distance(a, p) for p in positives), min(distance(a, n) for n in negatives)
            losses.append(violation(farthest - nearest))
    if mining == "all":
        losses = [loss for loss in losses if loss > 0]
    return sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize(("margin", "mining", "normalize"), SETTINGS)
def test_is_its_definition(margin: float, mining: str, normalize: bool) -> None:
    x = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = by_definition(x / x.norm(dim=1, keepdim=True) if normalize else x, TARGET.tolist(), margin, mining)
    assert expected > 0
    assert float(Triplet(margin, mining, normalize)(x, TARGET)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("margin", "mining", "normalize"), SETTINGS)
def test_gradient(margin: float, mining: str, normalize: bool) -> None:
    x = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Triplet(margin, mining, normalize)(x, TARGET), (x,))


@pytest.mark.parametrize("mining", ["hard", "all"])
def test_separated_classes_cost_nothing(mining: str) -> None:
    x = torch.tensor([[1.0, 0], [0.0, 1], [1.0, 0.001], [0.001, 1]])
    assert Triplet(0.2, mining)(x, torch.tensor([0, 1, 0, 1])) == 0


@pytest.mark.parametrize("mining", ["hard", "all"])
@pytest.mark.parametrize("target", [[0, 0, 0], [0, 1, 2], [0]], ids=["one class", "no pairs", "one sample"])
def test_batch_without_triplets_is_zero_with_a_zero_gradient(mining: str, target: list[int]) -> None:
    x = torch.randn(len(target), 3, requires_grad=True)
    loss = Triplet(0.0, mining)(x, torch.tensor(target))
    loss.backward()
    assert loss == 0
    assert x.grad is not None
    assert (x.grad == 0).all()


@pytest.mark.parametrize("mining", ["hard", "all"])
def test_equal_points_have_a_finite_gradient(mining: str) -> None:
    x = torch.ones(4, 3, requires_grad=True)
    Triplet(0.2, mining, normalize=False)(x, torch.tensor([0, 0, 1, 1])).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"^margin=-1"):
        Triplet(-1)
    with pytest.raises(ValueError, match=r"^mining=soft: it must be one of hard, all"):
        Triplet(mining="soft")
