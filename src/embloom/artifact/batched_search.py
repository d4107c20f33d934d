"""Exact nearest neighbors of many queries at once, the same whoever asks at the same time."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.neighbors import SLACK, unit

WIDTHS = 16
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
        small = widened(self.padded.bfloat16())
        few = self.rows[:8]
        quicker = seconds_of(small, widened(few.bfloat16())) < seconds_of(self.padded, few)
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
        asked = widened(wanted.bfloat16()) if self.rough.dtype == torch.bfloat16 else wanted
        rough = asked @ self.rough.T
        if self.count < rough.shape[1]:
            rough[:, self.count :] = -torch.inf
        largest = rough.view(len(wanted), -1, BLOCK).amax(2).float()
        looks = [min(self.count, count + len(without)) for count, without in zip(counts, excluded, strict=True)]
        query, row, left = self.candidates(rough, largest, looks)
        for number in left:
            found = self.looked_through(wanted[number], looks[number])
            query = torch.cat([query, torch.full_like(found, number)])
            row = torch.cat([row, found])
        exact = (self.rows[row].double() * wanted[query].double()).sum(1).float()
        return self.told(query, row, exact, counts, excluded)

    def candidates(self, rough: Tensor, largest: Tensor, looks: Sequence[int]) -> tuple[Tensor, Tensor, list[int]]:
        """Queries and rows (C,) that can be among the nearest `looks` of each, and the queries that have too many.

        Args:
            rough: (Q, N) scores.
            largest: (Q, N / BLOCK) the largest of each block.
            looks: how many are wanted of each query.
        """
        most = max(looks)
        if most >= largest.shape[1]:
            return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), list(range(len(looks)))
        # So many blocks have one as large, and so many rows: the least of the nearest is no smaller, but for rounding.
        best = largest.topk(most, dim=1).values
        least = best.gather(1, torch.tensor(looks)[:, None] - 1) - 2 * self.slack
        reached = largest >= least
        crowded = reached.sum(1) > MOST_CANDIDATES
        reached[crowded] = False
        query, block = reached.nonzero(as_tuple=True)
        place, inside = (rough.view(-1, BLOCK)[query * largest.shape[1] + block].float() >= least[query]).nonzero(
            as_tuple=True
        )
        query, row = query[place], block[place] * BLOCK + inside
        found = query.bincount(minlength=len(looks))
        crowded |= found > MOST_CANDIDATES
        if bool(crowded.any()):
            kept = ~crowded[query]
            query, row = query[kept], row[kept]
        return query, row, crowded.nonzero()[:, 0].tolist()

    def looked_through(self, query: Tensor, look: int) -> Tensor:
        """The rows that can be among the `look` nearest to a query (D,) of length 1, by all scores in float32."""
        scores = self.rows @ query
        return (scores >= scores.topk(look).values[-1] - 2 * self.fine).nonzero()[:, 0]

    @staticmethod
    def told(
        query: Tensor, row: Tensor, exact: Tensor, counts: Sequence[int], excluded: Sequence[Collection[int]]
    ) -> list[tuple[list[int], list[float]]]:
        """For each query the best of its rows (C,), equal ones in the order of rows."""
        order = np.lexsort((row.numpy(), -exact.numpy(), query.numpy()))
        ends = query.bincount(minlength=len(counts)).cumsum(0).tolist()
        rows, scores = row[order].tolist(), exact[order].tolist()
        found, begin = [], 0
        for end, count, without in zip(ends, counts, excluded, strict=True):
            kept = [place for place in range(begin, end) if rows[place] not in without][:count]
            found.append(([rows[place] for place in kept], [scores[place] for place in kept]))
            begin = end
        return found


def widened(rows: Tensor) -> Tensor:
    """With columns of zeros: a few rows are multiplied a quarter faster where the width is a multiple of `WIDTHS`."""
    return F.pad(rows, (0, -rows.shape[1] % WIDTHS))


def seconds_of(rows: Tensor, queries: Tensor) -> float:
    """How long a product takes, at best."""
    best = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        _ = queries @ rows.T
        best = min(best, time.perf_counter() - began)
    return best
