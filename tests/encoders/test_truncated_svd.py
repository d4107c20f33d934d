"""The truncated SVD against numpy's whole one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embloom.encoders.truncated_svd import TruncatedSVD
from people import small


def scores_by_hand(matrix: np.ndarray, dim: int, exponent: float, popularity: float) -> np.ndarray:
    """U S^exponent V^T D_i^popularity."""
    people, items = np.maximum(matrix.sum(1), 1), np.maximum(matrix.sum(0), 1)
    left, values, right = np.linalg.svd(matrix / np.sqrt(people)[:, None] / np.sqrt(items))
    return (left[:, :dim] * values[:dim] ** exponent) @ right[:dim] * items**popularity


@pytest.mark.parametrize(("exponent", "popularity"), [(1.0, 0.0), (0.0, 0.5), (0.7, 0.3)])
def test_scores_are_those_of_the_whole_svd(exponent: float, popularity: float) -> None:
    matrix, sizes, history, offsets = small(50, 40)
    options = {"exponent": exponent, "popularity": popularity}
    encoder = TruncatedSVD(sizes, history, offsets, dim=12, iterations=100, **options)
    encoder.fit([])
    expected = scores_by_hand(matrix, 12, exponent, popularity)
    assert np.allclose(encoder.scores(torch.arange(50)), expected, atol=1e-3)
    known = encoder.fold_in(*encoder.had(torch.tensor([7, 3, 49])))
    assert np.allclose(known, expected[[7, 3, 49]], atol=1e-3)


def test_tables_are_rows_of_what_forward_gives() -> None:
    _, sizes, history, offsets = small(20, 15)
    encoder = TruncatedSVD(sizes, history, offsets, dim=4)
    encoder.fit([])
    found = encoder(torch.tensor([3]), torch.tensor([2]), None, torch.tensor([1, 1, 0]))
    assert torch.equal(found["user_vector"] @ found["items"].T, encoder.scores(torch.tensor([3])))
    widths = {name: tensor.shape[-1] for name, tensor in found.items()}
    assert widths == {**encoder.sizes, "score": 1}
    assert encoder.activations() == []


def test_asks_for_no_more_vectors_than_there_are() -> None:
    matrix, sizes, history, offsets = small(20, 9)
    encoder = TruncatedSVD(sizes, history, offsets, dim=64, popularity=0.5)
    encoder.fit([])
    assert encoder.tables()["items"].shape == (9, 9)
    # With all of them, the matrix comes back but for how many each person had.
    people = np.maximum(matrix.sum(1), 1)[:, None]
    assert np.allclose(encoder.scores(torch.arange(20)) * np.sqrt(people), matrix, atol=1e-3)
    # Directions of a singular value of zero have no people.
    flat = TruncatedSVD(sizes, history, offsets, dim=64, exponent=0.0)
    flat.fit([])
    assert flat.users.abs().max() <= 1 + 1e-4


def test_refuses_what_is_no_number_of_vectors() -> None:
    _, sizes, history, offsets = small(20, 9)
    with pytest.raises(ValueError, match=r"^dim=0: it must be a positive integer$"):
        TruncatedSVD(sizes, history, offsets, dim=0)
    with pytest.raises(ValueError, match=r"^iterations=-1: it must be an integer of at least 0$"):
        TruncatedSVD(sizes, history, offsets, iterations=-1)
