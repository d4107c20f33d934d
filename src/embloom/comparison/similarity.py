"""How alike two embeddings of the same points are: linear CKA, and how many nearest neighbors they share; and two
labellings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.agreement import largest

CHUNK = 512


def linear_cka(one: Tensor, other: Tensor) -> float:
    """Linear centered kernel alignment (Kornblith et al. 2019, equation 5): 1 where one is a rotation and scaling
    of the other, 0 where no linear direction is shared.

    Args:
        one: (N, D), rows are points.
        other: (N, E), the same points.

    Returns:
        0..1; NaN where an embedding has all points in one place.
    """
    return cka_matrix([one, other])[0][1]


def cka_matrix(embeddings: Sequence[Tensor]) -> list[list[float]]:
    """`linear_cka` of every two of them."""
    centered = [(e.double() - e.double().mean(0)) for e in embeddings]
    centered = [e / e.norm().clamp_min(1e-300) for e in centered]
    own = [float((e.T @ e).norm()) for e in centered]
    matrix = [[1.0] * len(centered) for _ in centered]
    for i, a in enumerate(centered):
        for j in range(i, len(centered)):
            cross = float((a.T @ centered[j]).square().sum())
            matrix[i][j] = matrix[j][i] = cross / (own[i] * own[j]) if own[i] and own[j] else float("nan")
    return matrix


def neighbors(vectors: Tensor, k: int, cosine: bool) -> Tensor:
    """The k nearest other points of each point, nearest first.

    Args:
        vectors: (N, D).
        k: how many; fewer where there are fewer points.
        cosine: by angle, else by Euclidean distance.

    Returns:
        (N, min(k, N - 1)), row numbers.
    """
    rows = F.normalize(vectors.float(), dim=1) if cosine else vectors.float()
    # Centred: the products of far-off points would drown their differences.
    rows = rows if cosine else rows - rows.mean(0)
    half = (rows * rows).sum(1) / 2
    k = min(k, len(rows) - 1)
    found = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        nearness = torch.addmm(half, part, rows.T, beta=-1)
        nearness[torch.arange(len(part)), torch.arange(start, start + len(part))] = -torch.inf
        found.append(largest(nearness, k))
    return torch.cat(found) if found else torch.empty(0, 0, dtype=torch.long)


def neighbor_overlap(one: Tensor, other: Tensor) -> float:
    """The share of nearest neighbors that two embeddings have in common, averaged over points.

    Args:
        one: (N, k), what `neighbors` gave.
        other: (N, k), of the same points in the other embedding.

    Returns:
        0..1; by chance it is k / (N - 1).
    """
    if not one.numel():
        return float("nan")
    return float((one[:, :, None] == other[:, None, :]).any(2).double().mean())


def kappa(one: Tensor, other: Tensor) -> float:
    """Cohen's kappa of two labellings (N,): 0 by chance, 1 where they are the same."""
    count = int(max(one.max(), other.max())) + 1
    shares = [torch.bincount(values, minlength=count).double() / len(values) for values in (one, other)]
    chance = float((shares[0] * shares[1]).sum())
    return (float((one == other).double().mean()) - chance) / max(1e-12, 1 - chance)
