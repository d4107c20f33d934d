"""Vectors of words that are the mean of several rows of a table each: of the word and of its n-grams."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from embloom.encoders.ragged import owners, rows_of
from embloom.encoders.sorting import groups
from embloom.threads import in_parts

LEAST_WORDS = 128  # for a thread of its own


def spelled_words(
    numbers: Tensor, table: Tensor, parts: Tensor, offsets: Tensor, sparse: bool, dtype: torch.dtype
) -> Tensor:
    """Word numbers (...) and a table (R, D) -> (..., D), the mean of the rows of each word. A word that is there many
    times is computed once.

    Args:
        numbers: which words.
        table: the rows.
        parts: (P,) the rows of all words, one word after the other.
        offsets: (V + 1,) where those of each word begin, and the end.
        sparse: the gradient names only the rows that were used.
        dtype: of the vectors.
    """
    flat = numbers.reshape(-1)
    words, place = flat.unique(return_inverse=True)
    rows, bounds = rows_of(parts, offsets, words)
    if sparse and table.device.type == "cpu":
        found: Tensor = SparseMeans.apply(table, rows, bounds, place, dtype)
    else:
        means = F.embedding_bag(rows, table, bounds, mode="mean", include_last_offset=True, sparse=sparse)
        found = means.to(dtype).index_select(0, place)
    return found.view(*numbers.shape, table.shape[1])


class SparseMeans(torch.autograd.Function):
    """`spelled_words` on the CPU, each thread with words of its own; the gradient has each row once."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, bounds: Tensor, place: Tensor, dtype: torch.dtype) -> Tensor:
        """Rows (P,) and bounds (U + 1,) of words, and the word of each vector (N,) -> (N, D)."""
        source = table.detach()
        means = source.new_empty(len(bounds) - 1, source.shape[1], dtype=dtype)

        def part(first: int, last: int) -> None:
            means[first:last] = bag(source, rows, bounds, first, last, "mean")

        in_parts(len(means), LEAST_WORDS, part)
        ctx.save_for_backward(rows, bounds, place)
        ctx.shape = table.shape
        return means.index_select(0, place)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """By word the sum, by row of the table the sum over its words, less the more rows a word has."""
        rows, bounds, place = ctx.saved_tensors
        words, order, begins = groups(place)
        assert len(words) == len(bounds) - 1
        exact = torch.promote_types(gradient.dtype, torch.float32)
        by_word = gradient.new_empty(len(words), ctx.shape[1], dtype=exact)
        counts = bounds.diff().clamp(min=1).to(exact)[:, None]

        def of_words(first: int, last: int) -> None:
            by_word[first:last] = bag(gradient, order, begins, first, last, "sum")
            by_word[first:last] /= counts[first:last]

        in_parts(len(words), LEAST_WORDS, of_words)
        found, order, begins = groups(rows)
        word = owners(bounds).index_select(0, order)
        values = by_word.new_empty(len(found), ctx.shape[1])

        def of_rows(first: int, last: int) -> None:
            values[first:last] = bag(by_word, word, begins, first, last, "sum")

        in_parts(len(found), LEAST_WORDS, of_rows)
        by_table = torch.sparse_coo_tensor(found[None], values, ctx.shape, check_invariants=False, is_coalesced=True)
        return by_table, None, None, None, None


def bag(table: Tensor, rows: Tensor, bounds: Tensor, first: int, last: int, mode: str) -> Tensor:
    """The means, or the sums, of the lists first to last of rows (P,), bounds (B + 1,)."""
    some = bounds[first : last + 1]
    start, end = int(some[0]), int(some[-1])
    return F.embedding_bag(rows[start:end], table, some - start, mode=mode, include_last_offset=True)
