"""GF-CF against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embloom.encoders.graph_filter import GraphFilter
from people import ragged, small


def scores_by_hand(matrix: np.ndarray, rows: np.ndarray, dim: int, alpha: float) -> np.ndarray:
    """r N^T N + alpha r D_i^-1/2 V V^T D_i^1/2."""
    counts = matrix.sum(0)
    people, items = np.maximum(matrix.sum(1), 1), np.maximum(counts, 1)
    normalized = matrix / np.sqrt(people)[:, None] / np.sqrt(items)
    vectors = np.linalg.svd(normalized)[2][:dim]
    ideal = (rows / np.sqrt(items) * (counts > 0)) @ vectors.T @ vectors * np.sqrt(counts)
    return rows @ normalized.T @ normalized + alpha * ideal


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_scores_are_both_filters(alpha: float) -> None:
    matrix, sizes, history, offsets = small(50, 40)
    encoder = GraphFilter(sizes, history, offsets, dim=6, alpha=alpha, iterations=100)
    encoder.fit([])
    some = torch.tensor([7, 3, 49, 7])
    assert np.allclose(encoder.scores(some), scores_by_hand(matrix, matrix[some], 6, alpha), atol=1e-3)
    baskets = np.zeros((2, 40))
    baskets[0, [3, 8, 39]] = 1
    assert np.allclose(encoder.fold_in(*ragged(baskets)), scores_by_hand(matrix, baskets, 6, alpha), atol=1e-3)


def test_only_the_vectors_are_kept() -> None:
    _, sizes, history, offsets = small(50, 40)
    encoder = GraphFilter(sizes, history, offsets)
    encoder.fit([])
    again = GraphFilter(sizes, history, offsets)
    again.load_state_dict(encoder.state_dict())
    user = torch.arange(50)
    assert torch.equal(again.scores(user), encoder.scores(user))
    assert {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()} == {"vectors": (40, 40)}
    assert encoder.activations() == []
    found = encoder(user)
    assert {name: tensor.shape[1] for name, tensor in found.items()} == encoder.sizes


def test_refuses_what_is_no_share() -> None:
    _, sizes, history, offsets = small(20, 9)
    with pytest.raises(ValueError, match=r"^alpha=-1: it must be a number, at least 0$"):
        GraphFilter(sizes, history, offsets, alpha=-1)
