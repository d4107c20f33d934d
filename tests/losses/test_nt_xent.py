"""NT-Xent against plain loops over pairs, from the paper's equation."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from embloom.losses.nt_xent import NTXent

SAMPLE = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def rows(count: int = 8, width: int = 5) -> Tensor:
    return 3 * torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def by_definition(embedding: Tensor, temperature: float) -> float:
    """Chen et al. 2020, equation 1, over the pairs (i, j) and (j, i) of each sample, whose views are n rows apart."""
    n = len(embedding) // 2

    def similarity(a: int, b: int) -> float:
        return float(embedding[a] @ embedding[b] / (embedding[a].norm() * embedding[b].norm())) / temperature

    def pair(i: int, j: int) -> float:
        others = sum(math.exp(similarity(i, k)) for k in range(2 * n) if k != i)
        return -math.log(math.exp(similarity(i, j)) / others)

    return sum(pair(i, i + n) + pair(i + n, i) for i in range(n)) / (2 * n)


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_is_the_equation(temperature: float) -> None:
    found = NTXent({}, temperature)(rows(), SAMPLE)
    assert float(found) == pytest.approx(by_definition(rows(), temperature), abs=1e-10)


def test_gradient() -> None:
    assert torch.autograd.gradcheck(lambda x: NTXent({})(x, SAMPLE), (rows().requires_grad_(),))


def test_gradient_through_the_projection() -> None:
    loss = NTXent({"embedding": 5}, projection="4-3").double()
    assert torch.autograd.gradcheck(lambda x: loss(x, SAMPLE), (rows().requires_grad_(),))


def test_the_order_of_rows_and_the_numbers_of_samples_do_not_count() -> None:
    order = torch.tensor([3, 6, 0, 1, 7, 2, 5, 4])
    loss = NTXent({})
    torch.testing.assert_close(loss(rows()[order], 10 - SAMPLE[order]), loss(rows(), SAMPLE))


def test_of_three_views_the_other_two_count_alike() -> None:
    x, loss = rows(6), NTXent({})
    sample = torch.tensor([0, 1, 0, 1, 0, 1])
    every = torch.tensor([math.nan] * 6)
    unit = torch.nn.functional.normalize(x, dim=1)
    for i in range(6):
        others = [k for k in range(6) if k != i]
        log_sum = torch.stack([unit[i] @ unit[k] / 0.5 for k in others]).logsumexp(0)
        views = [k for k in others if sample[k] == sample[i]]
        every[i] = log_sum - sum(unit[i] @ unit[k] / 0.5 for k in views) / 2
    assert float(loss(x, sample)) == pytest.approx(float(every.mean()), abs=1e-6)


def test_separate_samples_reach_the_least_value() -> None:
    """Views that agree and samples that are orthogonal: log(1 + (2n - 2) exp(-1 / t))."""
    found = NTXent({}, 0.2)(torch.eye(4).repeat(2, 1), SAMPLE)
    assert float(found) == pytest.approx(math.log(1 + 6 * math.exp(-5)), abs=1e-6)


def test_the_projection_is_trained_with_the_loss() -> None:
    loss = NTXent({"embedding": 5}, projection="4-3")
    loss(rows().float(), SAMPLE).backward()
    widths = [tuple(p.shape) for p in loss.parameters() if p.ndim == 2]
    assert widths == [(4, 5), (3, 4)]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in loss.parameters())
    assert list(NTXent({}).parameters()) == []


def test_training_brings_views_together() -> None:
    torch.manual_seed(0)
    content, style = torch.randn(64, 2).repeat(2, 1), torch.randn(128, 6)
    encoder, loss = torch.nn.Linear(8, 2), NTXent({})
    solver = torch.optim.Adam(encoder.parameters(), 0.05)
    x, sample = torch.cat([content, style], 1), torch.arange(64).repeat(2)
    for _ in range(200):
        solver.zero_grad()
        loss(encoder(x), sample).backward()
        solver.step()
    kept, ignored = encoder.weight.detach().split([2, 6], 1)
    assert kept.norm() > 5 * ignored.norm()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, r"^temperature=0"),
        ({"projection": "128-x"}, r"^projection=128-x: .*e\.g\. 128-64"),
        ({"projection": [0]}, r"^projection=\[0\]"),
        ({"projection": ""}, r"^projection=:"),
    ],
)
def test_mistakes_name_the_parameter(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NTXent({"embedding": 5}, **options)
