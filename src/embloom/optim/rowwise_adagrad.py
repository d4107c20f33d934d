"""Adagrad with one accumulator a row, or a stretch of it, for tables of which a step touches few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from embloom.assembly.parameters import numbers, positive_integers
from embloom.encoders.sorting import sorting_order
from embloom.threads import in_parts

LEAST_ROWS = 512  # for a thread of its own


class RowwiseAdagrad(Optimizer):
    """Divides a row's gradient g by the root of the sum of all its mean squares: `a += mean(g * g)`,
    `row -= lr * g / (sqrt(a) + eps)` (Duchi et al. 2011; by rows as in Gupta et al. 2014).

    It keeps one number a row instead of one a weight, takes sparse gradients, whose repeated rows it adds up
    first, and dense ones; a vector counts as one row.

    Args:
        params: what to optimize.
        lr: learning rate.
        initial: what the accumulators begin with; more holds back the first steps of rare rows.
        eps: keeps the root from 0.
        widths: where the rows of a matrix are cut into stretches with an accumulator each. Under nested losses the
            first numbers have the gradients of several, and would hold back the last.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 0.3,
        initial: float = 0.0,
        eps: float = 1e-10,
        widths: Sequence[int] | None = None,
    ) -> None:
        numbers(at_least=0, initial=initial)
        numbers(above=0, eps=eps)
        for width in widths or ():
            positive_integers(widths=width)
        super().__init__(params, {"lr": lr, "initial": initial, "eps": eps, "widths": sorted({*(widths or ())})})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See torch. Gradients are taken as they come, in bfloat16 too, and not converted before."""
        super().add_param_group(param_group)
        for parameter in param_group["params"]:
            parameter.grad_dtype = None

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; the closure, if any, computes the loss and its gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        table = parameter.data if parameter.ndim > 1 else parameter.data.view(1, -1)
        state = self.state[parameter]
        if not state:
            count = len(stretches(table, group.get("widths", ()))) if parameter.ndim == 2 else 1
            size = (len(table), count) if count > 1 else (len(table),)
            state["sum"] = torch.full(size, group["initial"], dtype=table.dtype, device=table.device)
        total: Tensor = state["sum"]
        if gradient.is_sparse:
            rows, values = gradient._indices()[0], gradient._values()
            if table.device.type == "cpu":
                move_rows(table, total, rows, values, group)
            else:
                move(table, total, *summed(rows, values.to(table.dtype)), group)
            return
        values = gradient.view_as(table).to(table.dtype)
        parts = parts_of(table, total, group)
        total += mean_squares(values, parts)
        shape = (-1, *[1] * (table.ndim - 1))
        for part, some in zip(parts, total.view(len(table), len(parts)).unbind(1), strict=True):
            table[:, part].addcdiv_(values[:, part], (some.sqrt() + group["eps"]).view(shape), value=-group["lr"])


def stretches(table: Tensor, widths: Sequence[int]) -> list[slice]:
    """The parts into which the rows of a matrix are cut, one where no width is less than its own."""
    return [
        slice(*cut) for cut in pairwise([0, *(width for width in widths if width < table.shape[1]), table.shape[1]])
    ]


def parts_of(table: Tensor, total: Tensor, group: dict[str, Any]) -> list[slice]:
    """The parts that have an accumulator each."""
    return stretches(table, group["widths"]) if total.ndim == 2 else [slice(None)]


def move(table: Tensor, total: Tensor, rows: Tensor, values: Tensor, group: dict[str, Any]) -> None:
    """Moves rows (N,) of the table (V, D) by their gradients (N, D), once the accumulators (V,) or (V, stretches) have
    them."""
    parts = parts_of(table, total, group)
    total.index_add_(0, rows, mean_squares(values, parts))
    scale = total.index_select(0, rows).sqrt_().add_(group["eps"]).reciprocal_().mul_(-group["lr"])
    for part, some in zip(parts, scale.view(len(rows), len(parts)).unbind(1), strict=True):
        values[:, part].mul_(some[:, None])
    table.index_add_(0, rows, values)


def move_rows(table: Tensor, total: Tensor, rows: Tensor, values: Tensor, group: dict[str, Any]) -> None:
    """The same for rows that repeat, on the CPU: each thread adds up and moves rows of its own."""
    if not len(rows):
        return
    numbers = rows.numpy()
    order = sorting_order(numbers)
    ordered = numbers[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    found, place = torch.from_numpy(ordered[starts]), torch.from_numpy(order)
    begins = torch.from_numpy(starts)
    ends = np.append(starts, len(rows))

    def part(first: int, last: int) -> None:
        # This kernel adds up rows that lie anywhere several times as fast as `index_add_`.
        start, end = int(ends[first]), int(ends[last])
        sums = torch.embedding_bag(values, place[start:end], begins[first:last] - start, mode=0)[0].to(table.dtype)
        move(table, total, found[first:last], sums, group)

    in_parts(len(found), LEAST_ROWS, part)


def mean_squares(values: Tensor, parts: Sequence[slice]) -> Tensor:
    """(N, ...) -> (N,), or (N, stretches)."""
    found = [torch.linalg.vector_norm(some, dim=1).square_().div_(some.shape[1]) for some in
             (values[:, part].flatten(1) for part in parts)]  # fmt: skip
    return torch.stack(found, 1) if len(parts) > 1 else found[0]


def summed(rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Adds up the values (N, D) of equal rows (N,) -> N rows and values, without waiting for how many differ: those
    that are left over are row 0 with a value of 0."""
    ordered, order = rows.sort(stable=True)
    first = torch.ones_like(ordered)
    first[1:] = ordered[1:] != ordered[:-1]
    place = first.cumsum(0) - 1
    total = torch.zeros_like(values).index_add_(0, place, values.index_select(0, order))
    return torch.zeros_like(ordered).scatter_(0, place, ordered), total
