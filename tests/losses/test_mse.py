"""Mean squared error against its definition."""

from __future__ import annotations

import pytest
import torch

from embloom.losses.mse import MSE


def by_definition(one: list[list[float]], other: list[list[float]]) -> float:
    squares = [(a - b) ** 2 for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)]
    return sum(squares) / len(squares)


def test_is_its_definition() -> None:
    one, other = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = MSE({"input": 4, "target": 4})(one, other)
    assert float(found) == pytest.approx(by_definition(one.tolist(), other.tolist()), abs=1e-12)


def test_class_numbers_are_one_hot_rows() -> None:
    outputs, target = torch.randn(3, 4, dtype=torch.float64), torch.tensor([3, 0, 2])
    rows = [[0.0, 0, 0, 1], [1.0, 0, 0, 0], [0.0, 0, 1, 0]]
    assert float(MSE({})(outputs, target)) == pytest.approx(by_definition(outputs.tolist(), rows), abs=1e-12)
    assert MSE({}).scores(torch.tensor(rows)).argmax(1).tolist() == target.tolist()


def test_gradient() -> None:
    outputs = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    values = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(MSE({}), (outputs, values))
    assert torch.autograd.gradcheck(lambda x: MSE({})(x, torch.tensor([3, 0, 2])), (outputs,))


def test_refuses_widths_that_differ() -> None:
    with pytest.raises(ValueError, match=r"8.*10.*encoder\.layers=\.\.\.-10"):
        MSE({"input": 8, "target": 10})
