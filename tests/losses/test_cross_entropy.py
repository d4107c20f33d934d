"""Cross-entropy against its definition."""

from __future__ import annotations

import math

import pytest
import torch

from embloom.losses.cross_entropy import CrossEntropy

SIZES = {"input": 5, "target": 5}
TARGET = torch.tensor([0, 4, 2, 2, 1, 3])


def by_definition(logits: torch.Tensor, target: torch.Tensor, smoothing: float) -> float:
    total = 0.0
    classes = logits.shape[1]
    for row, true in zip(logits.tolist(), target.tolist(), strict=True):
        normalizer = math.log(sum(math.exp(x) for x in row))
        for c, x in enumerate(row):
            probability = (1 - smoothing) * (c == true) + smoothing / classes
            total -= probability * (x - normalizer)
    return total / len(target)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_is_its_definition(smoothing: float) -> None:
    logits = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss = CrossEntropy(SIZES, label_smoothing=smoothing)
    assert float(loss(logits, TARGET)) == pytest.approx(by_definition(logits, TARGET, smoothing), abs=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradient(smoothing: float) -> None:
    logits = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: CrossEntropy(SIZES, smoothing)(x, TARGET), (logits,))


def test_the_logits_are_the_scores() -> None:
    logits = torch.eye(5)[TARGET]
    assert torch.equal(CrossEntropy(SIZES).scores(logits), logits)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_refuses_smoothing_outside_0_to_1(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"^label_smoothing="):
        CrossEntropy(SIZES, smoothing)


@pytest.mark.parametrize(("logits", "classes"), [(5, 10), (10, 3)])
def test_refuses_another_number_of_logits_than_of_classes(logits: int, classes: int) -> None:
    says = rf"{classes} classes, and its input has {logits}: .*encoder\.layers=\.\.\.-{classes} or \.\.\.-auto"
    with pytest.raises(ValueError, match=says):
        CrossEntropy({"input": logits, "target": classes})


def test_takes_what_has_no_known_size() -> None:
    logits = torch.randn(6, 5)
    expected = by_definition(logits, TARGET, 0.0)
    for sizes in ({}, {"target": 3}, {"input": 3}):
        assert float(CrossEntropy(sizes)(logits, TARGET)) == pytest.approx(expected, abs=1e-6)
