"""The matrix of who had what, people by items, and its largest singular vectors."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from embloom.encoders.ragged import owners

POWERS = 2  # multiplications before values are known well enough for polynomials
STRETCH = 1e8  # of the first vector by a polynomial


@dataclass(frozen=True)
class InteractionMatrix:
    """A sparse matrix and its transpose, both in rows, so that either multiplies a dense matrix fast.

    Attributes:
        by_user: (U, I) sparse CSR, float32.
        by_item: (I, U), the same transposed.
    """

    by_user: Tensor
    by_item: Tensor

    @classmethod
    def of(cls, history: Tensor, offsets: Tensor, items: int, normalized: bool = False) -> InteractionMatrix:
        """The matrix of zeros and ones, or that divided by the roots of both degrees, D_u^-1/2 R D_i^-1/2.

        Args:
            history: (P,) item numbers, person by person.
            offsets: (U + 1,) where each person's begin, and the end.
            items: how many items there are.
            normalized: divide each entry by the roots of how many its person and its item have.
        """
        lengths, owner = offsets.diff(), owners(offsets)
        values = torch.ones(len(history), device=history.device)
        if normalized:
            counts = torch.bincount(history, minlength=items)
            values = inverse_root(lengths)[owner] * inverse_root(counts)[history.long()]
        return cls.of_entries(owner, history, values, (len(lengths), items))

    @classmethod
    def of_entries(cls, rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> InteractionMatrix:
        """The matrix of such entries (P,), in the order of their rows."""
        back = columns.argsort(stable=True)
        return cls(
            csr(begins(rows, shape[0]), columns, values, shape[1]),
            csr(begins(columns, shape[1]), rows[back], values[back], shape[0]),
        )


def begins(rows: Tensor, count: int) -> Tensor:
    """(count + 1,) where each row begins among row numbers (P,) once they are in order, and the end."""
    lengths = torch.bincount(rows, minlength=count)
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def csr(offsets: Tensor, columns: Tensor, values: Tensor, width: int) -> Tensor:
    """A sparse matrix from its rows, without torch's remark that such matrices are new."""
    # The libraries below take 32 bits; they would copy wider numbers at each product.
    kind = torch.int32 if len(values) < 2**31 else torch.int64
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            offsets.to(kind), columns.to(kind), values, (len(offsets) - 1, width), check_invariants=False
        )


def some_rows(matrix: Tensor, first: int, last: int) -> Tensor:
    """Rows of a sparse matrix, as a sparse matrix."""
    offsets = matrix.crow_indices()[first : last + 1]
    part = slice(int(offsets[0]), int(offsets[-1]))
    return csr(offsets - offsets[0], matrix.col_indices()[part], matrix.values()[part], matrix.shape[1])


def inverse_root(counts: Tensor) -> Tensor:
    """1 / sqrt(counts), 0 where there is nothing; float32."""
    return torch.where(counts > 0, counts.clamp(min=1).float().rsqrt(), 0.0)


def dense_rows(items: Tensor, offsets: Tensor, width: int) -> Tensor:
    """Baskets as columns of zeros and ones.

    Args:
        items: (P,) item numbers, basket by basket.
        offsets: (B + 1,) where each begins, and the end.
        width: how many items there are.

    Returns:
        (width, B), float32; an item that a basket names twice counts once.
    """
    found = torch.zeros(width, len(offsets) - 1, device=items.device)
    found[items.long(), owners(offsets)] = 1
    return found


def stretch(values: Tensor, exponent: float) -> Tensor:
    """What turns M times its right vectors, which is U S, into U S^exponent, of singular values (D,), largest first."""
    # A matrix of lower rank has values that are zero up to rounding, and no directions for them.
    least = values.max() * 1e-5
    return torch.where(values > least, values.clamp(min=least).pow(exponent - 1), 0.0)


def singular_vectors(matrix: InteractionMatrix, dim: int, iterations: int) -> tuple[Tensor, Tensor]:
    """The largest singular values and their right vectors, by subspace iteration from a random start (Halko, Martinsson
    and Tropp 2011, section 4.5). What the start is multiplied by are Chebyshev polynomials of M^T M, which part close
    values far sooner than its powers (Zhou and Saad 2007).

    Args:
        matrix: M, of shape (U, I).
        dim: how many; at most min(U, I).
        iterations: how often the subspace is multiplied.

    Returns:
        Values (dim,), largest first, and vectors (I, dim); of each the largest entry is positive, so that runs agree.
    """
    users, items = matrix.by_user.shape
    width = min(dim + max(16, dim // 4), users, items)
    basis = torch.linalg.qr(torch.randn(items, width, device=matrix.by_user.device)).Q
    values, basis = rotated(matrix, basis)
    for done in range(iterations):
        multiplied = filtered(matrix, basis, values, done >= POWERS)
        values, basis = rotated(matrix, torch.linalg.qr(multiplied).Q)
    values, vectors = values[:dim], basis[:, :dim]
    return values, vectors * vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()


def rotated(matrix: InteractionMatrix, basis: Tensor) -> tuple[Tensor, Tensor]:
    """The singular values of M within a subspace (I, W), largest first, and its basis turned to their vectors."""
    left = matrix.by_user @ basis
    _, values, turned = torch.linalg.svd(torch.linalg.qr(left).R)
    return values, basis @ turned.T


def filtered(matrix: InteractionMatrix, basis: Tensor, values: Tensor, polynomial: bool) -> Tensor:
    """T(2 M^T M / c - 1) times a basis, where c is the square of its smallest value: what lies below stays small; or
    M^T M times it."""
    largest, bound = float(values[0]) ** 2, float(values[-1]) ** 2
    if not polynomial or bound < 1e-6 * largest:
        return matrix.by_item @ (matrix.by_user @ basis)
    # A higher one would stretch the first vectors so much more than the last that float32 lost these.
    degree = max(1, int(math.acosh(STRETCH) / math.acosh(max(2 * largest / bound - 1, 2.0))))

    def product(vectors: Tensor) -> Tensor:
        return (matrix.by_item @ (matrix.by_user @ vectors)).mul_(2 / bound).sub_(vectors)

    before, now = basis, product(basis)
    for _ in range(degree - 1):
        before, now = now, product(now).mul_(2).sub_(before)
    return now / torch.linalg.vector_norm(now, dim=0).clamp(min=1e-30)
