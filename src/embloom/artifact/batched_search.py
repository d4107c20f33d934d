"""Exact nearest neighbors of many queries at once, the same whoever asks at the same time."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from embloom.artifact.neighbors import SLACK, unit

BLOCK = 64  # rows whose largest score stands for all of them
MOST_CANDIDATES = 4096  # a query with more is narrowed down by float32
TRIES = 5


class BatchedSearch:
    """The rows nearest to queries by cosine, one matrix product for all queries.

    Scores are first computed roughly: in bfloat16, where this processor is faster with it, which is measured once, else
    in float32. Rows are looked through by the largest score of each `BLOCK`, and those that can be among the nearest
    are scored in float64, each by itself. So an answer is that of the full product, rounded to float32, and is not
    changed by other queries in the batch; equal scores come in the order of rows.

    Args:
        rows: (N, D) vectors, any length; a copy is kept, scaled to length 1.

    Raises:
        ValueError: the table has no rows, or holds NaN or infinity.
    """

    def __init__(self, rows: Tensor) -> None:
        if rows.ndim != 2 or not len(rows):
            raise ValueError(f"a table of shape {tuple(rows.shape)} has no rows to search: it must be (N, D)")
        self.rows = unit(rows)
        self.count, width = self.rows.shape
        # 4 units in the last place of float32 for each number that is summed.
        self.fine = 4 * 2.0**-24 * max(width, 64)
        blocks = -(-self.count // BLOCK)
        self.padded = torch.zeros(blocks * BLOCK, width)
        self.padded[: self.count] = self.rows
        small = self.padded.bfloat16()
        one = self.rows[:4]
        quicker = seconds_of(small, one.bfloat16()) < seconds_of(self.padded, one)
        self.rough, self.slack = (small, SLACK) if quicker else (self.padded, self.fine)

    def nearest(
        self, queries: Tensor, counts: Sequence[int], excluded: Sequence[Collection[int]]
    ) -> list[tuple[list[int], list[float]]]:
        """For each query its nearest rows, the nearest first, and their cosines.

        Args:
            queries: (Q, D), any length.
            counts: how many are wanted of each; fewer come where the table is smaller.
            excluded: of each the rows that never count.

        Raises:
            ValueError: the queries do not fit the table, or are not finite.
        """
        if queries.ndim != 2 or queries.shape[1] != self.rows.shape[1]:
            raise ValueError(
                f"queries of shape {tuple(queries.shape)} do not fit a table of width {self.rows.shape[1]}"
            )
        wanted = unit(queries)
        rough = wanted.to(self.rough.dtype) @ self.rough.T
        if self.count < rough.shape[1]:
            rough[:, self.count :] = -torch.inf
        largest = rough.view(len(wanted), -1, BLOCK).amax(2).float()
        return [self.one(*item) for item in zip(wanted, rough, largest, counts, excluded, strict=True)]

    def one(
        self, query: Tensor, rough: Tensor, largest: Tensor, count: int, without: Collection[int]
    ) -> tuple[list[int], list[float]]:
        """The nearest rows to a query (D,) of length 1, from its rough scores and the largest of each block."""
        look = min(self.count, count + len(without))
        rows = self.narrowed(rough, largest, look)
        if rows is None:
            scores = self.rows @ query
            rows = (scores >= scores.topk(look).values[-1] - 2 * self.fine).nonzero()[:, 0]
        exact = (self.rows[rows].double() @ query.double()).float()
        # `rows` ascends, and a stable sort leaves equal ones so.
        order = exact.sort(descending=True, stable=True)
        pairs = zip(rows[order.indices].tolist(), order.values.tolist(), strict=True)
        kept = [(row, score) for row, score in pairs if row not in without][:count]
        return [row for row, _ in kept], [score for _, score in kept]

    def narrowed(self, rough: Tensor, largest: Tensor, look: int) -> Tensor | None:
        """The rows that can be among the `look` nearest, ascending; None where they are too many."""
        if look >= len(largest):
            return None
        # So many blocks have one as large, and so many rows: the least of the nearest is no smaller, but for rounding.
        least = largest.topk(look).values[-1] - 2 * self.slack
        blocks = (largest >= least).nonzero()[:, 0]
        if len(blocks) * BLOCK > BLOCK * MOST_CANDIDATES:
            return None
        places = (rough.view(-1, BLOCK)[blocks].float() >= least).nonzero()
        if len(places) > MOST_CANDIDATES:
            return None
        return blocks[places[:, 0]] * BLOCK + places[:, 1]


def seconds_of(rows: Tensor, queries: Tensor) -> float:
    """How long a product takes, at best."""
    best = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        _ = queries @ rows.T
        best = min(best, time.perf_counter() - began)
    return best
