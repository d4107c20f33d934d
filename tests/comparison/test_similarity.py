"""CKA and neighbor overlap against their definitions."""

from __future__ import annotations

import pytest
import torch

from comparison.made import cloud
from embloom.comparison.similarity import cka_matrix, linear_cka, neighbor_overlap, neighbors


def test_cka_is_blind_to_rotation_scale_and_shift() -> None:
    points = cloud(200, 12, seed=0)
    rotation, _ = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(1)))
    assert linear_cka(points, 7 * points @ rotation + 100) == pytest.approx(1, abs=1e-5)
    assert linear_cka(points, torch.randn(200, 12, generator=torch.Generator().manual_seed(2))) < 0.2


def test_cka_is_hsic_of_linear_kernels() -> None:
    one, other = cloud(20, 3, seed=0).double(), cloud(20, 5, seed=1).double()
    center = torch.eye(20, dtype=torch.double) - 1 / 20

    def hsic(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.trace(a @ a.T @ center @ b @ b.T @ center)

    expected = hsic(one, other) / (hsic(one, one) * hsic(other, other)).sqrt()
    assert linear_cka(one, other) == pytest.approx(float(expected), rel=1e-9)


def test_points_in_one_place_have_no_cka() -> None:
    matrix = cka_matrix([torch.ones(10, 3), cloud(10, 3, seed=0)])
    assert matrix[0][1] != matrix[0][1]


@pytest.mark.parametrize("cosine", [False, True])
def test_neighbors_are_those_of_a_plain_loop(cosine: bool) -> None:
    # Far from the origin, where products of the rows drown their differences.
    points = cloud(60, 4, seed=0) + (0 if cosine else 1000)
    rows = torch.nn.functional.normalize(points, dim=1) if cosine else points
    found = neighbors(points, 5, cosine)
    for i in range(60):
        distances = [(float((rows[i].double() - rows[j].double()).norm()), j) for j in range(60) if j != i]
        assert found[i].tolist() == [j for _, j in sorted(distances)[:5]]


def test_overlap_is_one_for_the_same_and_by_chance_for_unrelated_ones() -> None:
    one = neighbors(cloud(400, 8, seed=0, groups=1), 10, False)
    other = neighbors(cloud(400, 8, seed=1, groups=1), 10, False)
    assert neighbor_overlap(one, one) == 1
    assert neighbor_overlap(one, other) == pytest.approx(10 / 399, abs=0.01)
    assert neighbors(cloud(4, 2, seed=0), 10, False).shape == (4, 3)
