"""Many small ridge regressions at once: a vector for each row of a ragged matrix, from a table of the other side's."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from embloom.threads import give_back_cores, in_parts, keep_cores

CHUNK = 1 << 20  # numbers that are gathered at once; more would leave the cache


@dataclass(frozen=True)
class Ridge:
    """What one regression minimizes: the sum over a row's entries v of (1 - w v)^2, plus `unobserved` times that of
    (w v)^2 over the whole table, plus `regularization` (n + unobserved N)^frequency_scaling |w|^2 with the row's length
    n and the table's N (Rendle et al. 2021, equations 3 and 7)."""

    unobserved: float
    regularization: float
    frequency_scaling: float

    def penalty(self, lengths: Tensor, size: int) -> Tensor:
        """What stands before |w|^2, for rows of such lengths."""
        return self.regularization * (lengths.float() + self.unobserved * size) ** self.frequency_scaling


@dataclass(frozen=True)
class Chunk:
    """Rows that are solved together.

    Attributes:
        rows: (B,) their numbers.
        lengths: (B,) theirs.
        entries: (B, L) table rows; those that are too many name the row after the table's last, which is zero.
    """

    rows: Tensor
    lengths: Tensor
    entries: Tensor


def chunks_of(values: Tensor, offsets: Tensor, size: int, dim: int) -> list[Chunk]:
    """Sorts rows by length and cuts them into chunks. Rows shorter than `dim` stand with their like only.

    Args:
        values: (P,) table rows, row by row.
        offsets: (N + 1,) where each row begins, and the end.
        size: how many rows the table has.
        dim: how wide it is.
    """
    found: list[Chunk] = []
    lengths, order = offsets.diff().sort()
    sorted_lengths = lengths.tolist()
    first = int((lengths == 0).sum())
    while first < len(sorted_lengths):
        longest = sorted_lengths[first]
        last = first + max(1, CHUNK // (longest * dim))
        if longest < dim:
            last = min(last, int(torch.searchsorted(lengths, longest, right=True)))
        rows, some = order[first:last], lengths[first:last]
        places = torch.arange(int(some[-1]), device=values.device)
        inside = places < some[:, None]
        entries = values[(offsets[rows][:, None] + places).where(inside, 0)].where(inside, size)
        found.append(Chunk(rows, some, entries))
        first += len(rows)
    # Threads take equal shares of this list: none should get all the long ones.
    random.Random(0).shuffle(found)
    return found


def solve(table: Tensor, chunks: list[Chunk], count: int, ridge: Ridge) -> Tensor:
    """Solves all regressions exactly.

    In the basis where table^T table is diagonal, a row of n < D entries needs a system of n equations only (Woodbury).

    Args:
        table: (N, D).
        chunks: the rows, see `chunks_of`.
        count: how many rows there are, those of no entries included, whose vectors are zero.
        ridge: what is minimized.

    Returns:
        (count, D).
    """
    powers, basis = torch.linalg.eigh((table.T @ table).double())
    diagonal = (ridge.unobserved * powers.clamp(min=0)).to(table.dtype)
    basis = basis.to(table.dtype)
    turned = torch.cat([table @ basis, table.new_zeros(1, table.shape[1])])
    found = table.new_zeros(count, table.shape[1])

    def part(first: int, last: int) -> None:
        for chunk in chunks[first:last]:
            rows = turned.index_select(0, chunk.entries.flatten()).view(*chunk.entries.shape, -1)
            penalty = ridge.penalty(chunk.lengths, len(table))
            found[chunk.rows] = (short if rows.shape[1] < rows.shape[2] else long)(rows, diagonal, penalty)

    in_threads(table.device, len(chunks), part)
    return found @ basis.T


def in_threads(device: torch.device, size: int, part) -> None:  # type: ignore[no-untyped-def]
    """`in_parts` with torch's own threads out of the way, where the work is the CPU's."""
    if device.type != "cpu":
        part(0, size)
        return
    mine = torch.get_num_threads() > 1
    keep_cores()
    try:
        in_parts(size, 1, part)
    finally:
        if mine:
            give_back_cores()


def short(rows: Tensor, diagonal: Tensor, penalty: Tensor) -> Tensor:
    """Rows (B, L, D) all of the same length -> (B, D), by L equations each."""
    inverse = 1 / (diagonal + penalty[0])
    products = (rows * inverse) @ rows.mT
    products.diagonal(dim1=1, dim2=2).add_(1)
    weights = torch.cholesky_solve(rows.new_ones(*rows.shape[:2], 1), torch.linalg.cholesky_ex(products).L)
    return (weights.mT @ rows)[:, 0] * inverse


def long(rows: Tensor, diagonal: Tensor, penalty: Tensor) -> Tensor:
    """Rows (B, L, D), zero after each one's end -> (B, D), by D equations each."""
    products = rows.mT @ rows
    products.diagonal(dim1=1, dim2=2).add_(diagonal + penalty[:, None])
    return torch.cholesky_solve(rows.sum(1)[..., None], torch.linalg.cholesky_ex(products).L)[..., 0]
