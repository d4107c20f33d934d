"""Nearest neighbors by cosine among the rows of a table: exact, or approximate through faiss."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.bits import Bits
from embloom.artifact.stages.base import Quantizer
from embloom.artifact.stages.binary import Binary

# Below so many rows the full product is as fast as anything.
SMALL = 20_000
FEW = 4_000  # rows, of which bits are not worth looking at
OVERSAMPLE = 40
FIRST_LOOK = 256
# Rounding both unit vectors and their product to bfloat16 (unit roundoff 2^-9) moves a cosine by less than 3 * 2^-9;
# the sums themselves are float32.
SLACK = 4 * 2.0**-9


class Neighbors:
    """The rows nearest to a query, by cosine.

    A search reads the table from memory once, and that is what it costs. So a large table has a copy of half the
    size in bfloat16: its scores are off by at most `SLACK`, which leaves a few rows that can be among the nearest,
    and those are scored in float32. The result is that of the full product.

    Args:
        rows: (N, D) vectors, any length; a copy is kept, scaled to length 1.
        approximate: search through faiss, which looks only into the cells of the table that are nearest to the
            query. Faster, and may miss some.
        quantizer: what rounded the rows. Where that is to bits, a search reads those alone: it scores the rows that
            share the most bits with the query, `oversample` times as many as are asked for, by the query's own numbers
            and what is stored of the rows. It may miss some.
        oversample: see above.

    Raises:
        ValueError: the table is no matrix, holds NaN or infinity, or faiss is not installed.
    """

    def __init__(
        self,
        rows: Tensor,
        approximate: bool = False,
        quantizer: Quantizer | None = None,
        oversample: int = OVERSAMPLE,
    ) -> None:
        if rows.ndim != 2 or not len(rows):
            raise ValueError(f"a table of shape {tuple(rows.shape)} has no rows to search: it must be (N, D)")
        self.rows = unit(rows)
        coded = isinstance(quantizer, Binary) and not approximate and len(rows) > FEW
        self.bits = Bits(quantizer, self.rows) if coded and isinstance(quantizer, Binary) else None
        self.oversample = oversample
        self.rough = self.rows.bfloat16() if len(rows) > SMALL and not approximate and not coded else None
        self.index = faiss_index(self.rows) if approximate else None

    def nearest(self, queries: Tensor, k: int = 10, exclude: Collection[int] = ()) -> tuple[Tensor, Tensor]:
        """The `k` nearest rows of each query, the nearest first.

        Args:
            queries: (Q, D), or one query (D,).
            k: how many; fewer where the table is smaller.
            exclude: rows that never count, such as those of the query's own words.

        Returns:
            Cosines (Q, k), float32, and row numbers (Q, k).

        Raises:
            ValueError: the queries do not fit the table.
        """
        wanted, width = torch.atleast_2d(queries.detach().float().cpu()), self.rows.shape[1]
        if wanted.ndim != 2 or wanted.shape[1] != width:
            raise ValueError(f"queries of shape {tuple(queries.shape)} do not fit a table of width {width}")
        if k < 1:
            raise ValueError(f"k={k}: it must be at least 1")
        left = torch.tensor(sorted({row for row in exclude if 0 <= row < len(self.rows)}), dtype=torch.int64)
        count = min(k, len(self.rows) - len(left))
        found = [self.one(query, min(len(self.rows), count + len(left))) for query in unit(wanted)]
        good = [~torch.isin(rows, left) for _, rows in found]
        scores = [scores[keep][:count] for (scores, _), keep in zip(found, good, strict=True)]
        rows = [rows[keep][:count] for (_, rows), keep in zip(found, good, strict=True)]
        return torch.stack(scores), torch.stack(rows)

    def one(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Cosines and rows (k,) nearest to a query (D,) of length 1."""
        if self.index is not None:
            scores, rows = self.index.search(query.numpy()[None], k)
            return torch.from_numpy(scores[0]), torch.from_numpy(rows[0])
        if self.bits is not None:
            near = self.bits.near(query, self.oversample * k)
            best = (self.rows[near] @ query).topk(k)
            return best.values, near[best.indices]
        return (self.narrowed(query, k) if self.rough is not None else None) or self.full(query, k)

    def full(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """By the full product."""
        found = (self.rows @ query).topk(k)
        return found.values, found.indices

    def narrowed(self, query: Tensor, k: int) -> tuple[Tensor, Tensor] | None:
        """By the rough scores first; None where they do not narrow it down."""
        assert self.rough is not None
        rough = self.rough @ query.bfloat16()
        size = max(FIRST_LOOK, 4 * k)
        while size < len(rough) // 4:
            look = rough.topk(size)
            values = look.values.float()
            if values[-1] < values[k - 1] - 2 * SLACK:
                scores = self.rows[look.indices] @ query
                if float((scores - values).abs().max()) > SLACK:  # a product that sums in bfloat16 too
                    return None
                best = scores.topk(k)
                return best.values, look.indices[best.indices]
            size *= 8
        return None


def unit(rows: Tensor) -> Tensor:
    """Rows (N, D) scaled to length 1, float32 on the CPU; rows of zeros stay as they are.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    rows = rows.detach().float().cpu()
    largest = rows.abs().amax(1, keepdim=True) if rows.numel() else rows.new_ones(len(rows), 1)
    if not largest.isfinite().all():
        raise ValueError("the vectors hold NaN or infinite numbers, which are near nothing")
    # Squares of very large and very small numbers leave float32.
    if bool(((largest > 1e15) | ((largest > 0) & (largest < 1e-10))).any()):
        rows = rows / torch.where(largest > 0, largest, torch.ones_like(largest))
    return F.normalize(rows, dim=1)


def faiss_index(rows: Tensor) -> Any:
    """An inverted file of unit rows: cells around centroids, of which a search visits a part.

    Raises:
        ValueError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ValueError("approximate neighbors need faiss: pip install 'embloom[faiss]'") from error
    count, width = rows.shape
    cells = max(1, min(int(2 * count**0.5), count // 40))
    index: Any = faiss.index_factory(width, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(rows[:: max(1, count // (cells * 64))].contiguous().numpy())
    index.add(rows.numpy())
    index.nprobe = max(1, cells // 16)
    return index
