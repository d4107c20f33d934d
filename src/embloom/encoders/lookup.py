"""Rows of a large table, by number."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from embloom.threads import in_parts

LEAST_ROWS = 512  # for a thread of its own
CACHED_ROWS = 2048  # are converted while they are still in the cache


def fast_dtype(device: torch.device) -> torch.dtype:
    """The numbers that the device multiplies fastest with sums in float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    native = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def lookup(numbers: Tensor, table: Tensor, sparse: bool, dtype: torch.dtype | None = None) -> Tensor:
    """Row numbers (...) and a table (V, D) -> (..., D), as `torch.nn.functional.embedding`.

    Args:
        numbers: which rows.
        table: the table.
        sparse: the gradient names only the rows that were looked up, each as often as it was.
        dtype: of the rows, and of their gradient where the optimizer takes it so; None is the table's.
    """
    dtype = dtype or table.dtype
    if not sparse or table.device.type != "cpu":
        return F.embedding(numbers, table, sparse=sparse).to(dtype)
    rows: Tensor = SparseLookup.apply(numbers, table, dtype)
    return rows


class SparseLookup(torch.autograd.Function):
    """`lookup` on the CPU, each thread with rows of its own."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, table: Tensor, dtype: torch.dtype) -> Tensor:
        """See `lookup`."""
        flat, source = numbers.reshape(-1), table.detach()
        rows = table.new_empty(len(flat), table.shape[1], dtype=dtype)

        def part(first: int, last: int) -> None:
            if dtype == source.dtype:
                torch.index_select(source, 0, flat[first:last], out=rows[first:last])
                return
            for start in range(first, last, CACHED_ROWS):
                some = slice(start, min(start + CACHED_ROWS, last))
                rows[some] = source.index_select(0, flat[some])

        in_parts(len(flat), LEAST_ROWS, part)
        ctx.save_for_backward(flat)
        ctx.shape = table.shape
        return rows.view(*numbers.shape, table.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        """The gradient as it is, with the numbers of its rows."""
        (flat,) = ctx.saved_tensors
        values = gradient.reshape(len(flat), ctx.shape[1])
        return None, torch.sparse_coo_tensor(flat[None], values, ctx.shape, check_invariants=False), None
