"""ALS and its least squares against numpy, one row at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from embloom.encoders import least_squares
from embloom.encoders.als import ALS
from embloom.encoders.least_squares import Ridge, chunks_of, solve
from people import ragged, small


def solved_by_hand(table: np.ndarray, matrix: np.ndarray, ridge: Ridge) -> np.ndarray:
    """Each row's normal equations, all of them written out."""
    found = np.zeros((len(matrix), table.shape[1]))
    for row, had in enumerate(matrix > 0):
        weight = had + ridge.unobserved
        penalty = ridge.regularization * weight.sum() ** ridge.frequency_scaling
        left = (table.T * weight) @ table + penalty * np.eye(table.shape[1])
        found[row] = np.linalg.solve(left, table[had].sum(0))
    return found


def loss_by_hand(users: np.ndarray, items: np.ndarray, matrix: np.ndarray, ridge: Ridge) -> float:
    """What ALS minimizes."""
    products = users @ items.T
    total = (matrix * (1 - products) ** 2).sum() + ridge.unobserved * (products**2).sum()
    for table, counts in ((users, matrix.sum(1)), (items, matrix.sum(0))):
        weights = counts + ridge.unobserved * matrix.size / len(table)
        total += ridge.regularization * (weights**ridge.frequency_scaling * (table**2).sum(1)).sum()
    return float(total)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.6])  # rows shorter than a vector, of both kinds, longer
@pytest.mark.parametrize("ridge", [Ridge(0.1, 0.02, 1.0), Ridge(0.5, 2.0, 0.0), Ridge(0.01, 0.1, 0.5)])
def test_each_row_is_its_normal_equations(share: float, ridge: Ridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "CHUNK", 300)  # so that rows of several lengths share one, and some none
    matrix, *_, history, offsets = small(40, 50, share)
    table = torch.randn(50, 8)
    found = solve(table, chunks_of(history, offsets, 50, 8), 40, ridge)
    assert np.allclose(found, solved_by_hand(table.double().numpy(), matrix, ridge), rtol=1e-3, atol=1e-4)


def test_each_iteration_lowers_the_loss() -> None:
    matrix, sizes, history, offsets = small(40, 30)
    losses = []
    for iterations in range(1, 6):
        torch.manual_seed(0)
        encoder = ALS(sizes, history, offsets, dim=6, iterations=iterations, unobserved=0.1, regularization=0.01)
        encoder.fit([])
        users, items = (encoder.tables()[name].double().numpy() for name in ("users", "items"))
        losses.append(loss_by_hand(users, items, matrix, encoder.objective))
    assert losses == sorted(losses, reverse=True)
    assert np.allclose(items, solved_by_hand(users, matrix.T, encoder.objective), atol=1e-4)
    assert losses[-1] < loss_by_hand(users * 0, items * 0, matrix, encoder.objective)


def fitted(**options: float) -> tuple[np.ndarray, ALS]:
    matrix, sizes, history, offsets = small(40, 30)
    torch.manual_seed(3)
    encoder = ALS(sizes, history, offsets, dim=6, **options)  # type: ignore[arg-type]
    encoder.fit([])
    return matrix, encoder


def test_somebody_new_gets_the_vector_that_solves_theirs() -> None:
    _, encoder = fitted()
    baskets = np.zeros((3, 30))
    baskets[0, [2, 5]], baskets[2, :20] = 1, 1
    items = encoder.items.double().numpy()
    found = encoder.fold_in(*ragged(baskets))
    expected = solved_by_hand(items, baskets, encoder.objective) @ items.T
    assert np.allclose(found, expected, atol=1e-4)
    assert not found[1].any()


def test_the_seed_decides_and_threads_do_not() -> None:
    before = torch.get_num_threads()
    tables: list[Tensor] = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tables.append(fitted()[1].items)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert torch.equal(*tables)


def test_refuses_what_cannot_be_solved() -> None:
    with pytest.raises(ValueError, match=r"^regularization=0: it must be a number, above 0$"):
        fitted(regularization=0)
    with pytest.raises(ValueError, match=r"^unobserved=-1: it must be a number, at least 0$"):
        fitted(unobserved=-1)
