"""EASE against the plain inverse, from both sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embloom.encoders import ease, symmetric_inverse
from embloom.encoders.ease import EASE
from embloom.encoders.symmetric_inverse import bytes_needed, invert
from people import ragged, small


def weights_by_hand(matrix: np.ndarray, regularization: float) -> np.ndarray:
    """B = I - P diag(1 / diag P)."""
    inverse = np.linalg.inv(matrix.T @ matrix + regularization * np.eye(matrix.shape[1]))
    return np.eye(matrix.shape[1]) - inverse / inverse.diagonal()


@pytest.fixture
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small matrices are cut too."""
    monkeypatch.setattr(ease, "BLOCK", 16)
    monkeypatch.setattr(symmetric_inverse, "PIVOTS", 7)
    monkeypatch.setattr(symmetric_inverse, "PART", 10)


@pytest.mark.usefixtures("several_blocks")
@pytest.mark.parametrize("size", [1, 7, 10, 53])
def test_the_inverse_takes_the_place_of_the_matrix(size: int) -> None:
    half = torch.randn(size, 2 * size, dtype=torch.float64)
    matrix = half @ half.T + torch.eye(size)
    expected = torch.linalg.inv(matrix)
    found = invert(matrix)
    assert found is matrix
    assert torch.allclose(found, expected, atol=1e-9)


@pytest.mark.usefixtures("several_blocks")
@pytest.mark.parametrize(("users", "items"), [(60, 40), (40, 60)])
def test_scores_are_the_items_times_the_weights(users: int, items: int) -> None:
    matrix, sizes, history, offsets = small(users, items)
    encoder = EASE(sizes, history, offsets, regularization=3.0)
    encoder.fit([])
    weights = weights_by_hand(matrix, 3.0)
    some = torch.tensor([5, users - 1, 0])
    assert np.allclose(encoder.scores(some), matrix[some] @ weights, atol=1e-5)
    baskets = np.zeros((2, items))
    baskets[1, [1, 4]] = 1
    assert np.allclose(encoder.fold_in(*ragged(baskets)), baskets @ weights, atol=1e-5)
    assert torch.equal(encoder(some)["scores"], encoder.scores(some))


@pytest.mark.usefixtures("several_blocks")
@pytest.mark.parametrize(("users", "items"), [(60, 40), (40, 60)])
def test_keeps_the_strongest_weights_of_each_item(users: int, items: int) -> None:
    matrix, sizes, history, offsets = small(users, items)
    encoder = EASE(sizes, history, offsets, regularization=3.0, keep=5)
    encoder.fit([])
    weights = weights_by_hand(matrix, 3.0)
    for item, row in enumerate(weights):
        weakest = np.sort(np.abs(row))[-5]
        row[np.abs(row) < weakest - 1e-7] = 0
        assert np.allclose(encoder.fold_in(torch.tensor([item]), torch.tensor([0, 1])), row, atol=1e-5)
    assert {name: tuple(found.shape) for name, found in encoder.state_dict().items()} == {
        "targets": (items, 5),
        "weights": (items, 5),
    }
    again = EASE(sizes, history, offsets, keep=5)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again.scores(torch.arange(users)), encoder.scores(torch.arange(users)))


def test_says_how_much_memory_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    _, sizes, history, offsets = small(60, 40)
    EASE(sizes, history, offsets).fit([])
    assert capsys.readouterr().out == "ease: the inverse of a matrix of 40 x 40 takes 0.0 GB of memory\n"
    assert 6.7e9 < bytes_needed(40_981) < 7.1e9


def test_refuses_more_memory_than_there_is() -> None:
    people = 10_000_000
    sizes, offsets = {"user": people, "item": people}, torch.zeros(people + 1, dtype=torch.int64)
    encoder = EASE(sizes, torch.zeros(0, dtype=torch.int32), offsets, keep=1)
    with pytest.raises(ValueError, match=r"10,000,000 x 10,000,000 takes 400,\d+\.\d GB .* dataset.min_item=20"):
        encoder.fit([])


def test_refuses_what_has_no_inverse() -> None:
    _, sizes, history, offsets = small(20, 9)
    with pytest.raises(ValueError, match=r"^regularization=0: it must be a number, above 0$"):
        EASE(sizes, history, offsets, regularization=0)
