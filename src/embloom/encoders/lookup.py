"""Rows of a large table, by number."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from embloom.threads import in_parts

LEAST_ROWS = 512  # for a thread of its own


def lookup(numbers: Tensor, table: Tensor, sparse: bool) -> Tensor:
    """Row numbers (...) and a table (V, D) -> (..., D), as `torch.nn.functional.embedding`.

    Args:
        numbers: which rows.
        table: the table.
        sparse: the gradient names only the rows that were looked up, each as often as it was.
    """
    if not sparse or table.device.type != "cpu":
        return F.embedding(numbers, table, sparse=sparse)
    rows: Tensor = SparseLookup.apply(numbers, table)
    return rows


class SparseLookup(torch.autograd.Function):
    """`lookup` on the CPU, each thread with rows of its own."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, table: Tensor) -> Tensor:
        """See `lookup`."""
        flat = numbers.reshape(-1)
        rows = table.new_empty(len(flat), table.shape[1])

        def part(first: int, last: int) -> None:
            torch.index_select(table.detach(), 0, flat[first:last], out=rows[first:last])

        in_parts(len(flat), LEAST_ROWS, part)
        ctx.save_for_backward(flat)
        ctx.shape = table.shape
        return rows.view(*numbers.shape, table.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        """The gradient as it is, with the numbers of its rows."""
        (flat,) = ctx.saved_tensors
        values = gradient.reshape(len(flat), -1)
        return None, torch.sparse_coo_tensor(flat[None], values, ctx.shape, check_invariants=False)
