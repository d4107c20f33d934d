"""The sparse matrix is numpy's dense one, and its singular vectors are LAPACK's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from embloom.encoders.interaction_matrix import InteractionMatrix, dense_rows, singular_vectors, some_rows
from people import ragged, small


def normalized_by_hand(matrix: np.ndarray) -> np.ndarray:
    """D_u^-1/2 R D_i^-1/2, with nothing where there is nothing."""
    people, items = np.maximum(matrix.sum(1), 1), np.maximum(matrix.sum(0), 1)
    return matrix / np.sqrt(people)[:, None] / np.sqrt(items)


@pytest.mark.parametrize("normalized", [False, True])
def test_is_the_dense_matrix_and_its_transpose(normalized: bool) -> None:
    matrix, sizes, history, offsets = small(30, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = InteractionMatrix.of(history, offsets, sizes["item"], normalized)
    expected = normalized_by_hand(matrix) if normalized else matrix
    assert np.allclose(found.by_user.to_dense(), expected)
    assert np.allclose(found.by_item.to_dense(), expected.T)
    assert np.allclose(some_rows(found.by_item, 3, 8).to_dense(), expected.T[3:8])


def test_baskets_are_columns() -> None:
    matrix, sizes, *_ = small(30, 20)
    items, offsets = ragged(matrix)
    assert np.array_equal(dense_rows(items, offsets, sizes["item"]), matrix.T)
    twice = dense_rows(torch.tensor([2, 2]), torch.tensor([0, 2]), 4)
    assert twice.flatten().tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(("users", "items"), [(60, 40), (40, 60)])
def test_singular_vectors_are_those_of_lapack(users: int, items: int) -> None:
    matrix, sizes, history, offsets = small(users, items)
    found = InteractionMatrix.of(history, offsets, sizes["item"], normalized=True)
    values, vectors = singular_vectors(found, 8, iterations=30)
    _, exact, turned = np.linalg.svd(normalized_by_hand(matrix))
    assert np.allclose(values, exact[:8], atol=1e-4)
    projection = (vectors @ vectors.T).numpy()
    assert np.allclose(projection, turned[:8].T @ turned[:8], atol=5e-3)
    assert np.allclose(vectors.T @ vectors, np.eye(8), atol=1e-5)
    assert (vectors.gather(0, vectors.abs().argmax(0, keepdim=True)) > 0).all()


def test_the_seed_decides() -> None:
    _, sizes, history, offsets = small(60, 40)
    matrix = InteractionMatrix.of(history, offsets, sizes["item"], normalized=True)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(singular_vectors(matrix, 8, iterations=0)[1])
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
