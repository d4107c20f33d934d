"""The inverse of a large symmetric matrix in the memory that the matrix itself takes."""

from __future__ import annotations

import torch
from torch import Tensor

PIVOTS = 512  # rows that are eliminated at once
PART = 2048  # rows that are updated at once


def invert(matrix: Tensor) -> Tensor:
    """Replaces a symmetric positive definite matrix (N, N) by its inverse: the sweep operator (Beaton 1964; Goodnight
    1979) on blocks, N^3 multiplications and additions, of which all but a few are products of large matrices.

    Only the lower half is computed with; a panel of N x 512 numbers and two like it are the memory it takes beside.
    """
    size = len(matrix)
    for first in range(0, size, PIVOTS):
        last = min(first + PIVOTS, size)
        pivot = torch.linalg.cholesky(matrix[first:last, first:last])
        inverse = torch.cholesky_inverse(pivot)
        panel = torch.cat([matrix[first:last, :first].T, matrix[first:, first:last]])
        weighted = panel @ inverse
        for begin in range(0, size, PART):
            end = min(begin + PART, size)
            matrix[begin:end, :end].addmm_(weighted[begin:end], panel[:end].T, alpha=-1)
        matrix[first:last, :first] = weighted[:first].T
        matrix[last:, first:last] = weighted[last:]
        matrix[first:last, first:last] = -inverse
    for begin in range(0, size, PART):
        end = min(begin + PART, size)
        matrix[begin:end, :end].neg_()
        square = matrix[begin:end, begin:end]
        square.copy_(square.tril() + square.tril(-1).T)
        matrix[:begin, begin:end] = matrix[begin:end, :begin].T
    return matrix


def bytes_needed(size: int) -> int:
    """What `invert` takes for a matrix of so many rows in float32, the matrix included."""
    return 4 * size * (size + 3 * min(size, PIVOTS))
