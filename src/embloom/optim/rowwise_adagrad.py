"""Adagrad with one accumulator a row, for tables of which a step touches few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from embloom.assembly.parameters import numbers
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

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float = 0.3, initial: float = 0.0, eps: float = 1e-10
    ) -> None:
        numbers(at_least=0, initial=initial)
        numbers(above=0, eps=eps)
        super().__init__(params, {"lr": lr, "initial": initial, "eps": eps})

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
            state["sum"] = torch.full((len(table),), group["initial"], dtype=table.dtype, device=table.device)
        total: Tensor = state["sum"]
        if gradient.is_sparse:
            rows, values = gradient._indices()[0], gradient._values()
            if table.device.type == "cpu":
                move_rows(table, total, rows, values, group)
            else:
                move(table, total, *summed(rows, values.to(table.dtype)), group)
            return
        values = gradient.view_as(table).to(table.dtype)
        total += mean_square(values)
        shape = (-1, *[1] * (table.ndim - 1))
        table.addcdiv_(values, (total.sqrt() + group["eps"]).view(shape), value=-group["lr"])


def move(table: Tensor, total: Tensor, rows: Tensor, values: Tensor, group: dict[str, Any]) -> None:
    """Moves rows (N,) of the table (V, D) by their gradients (N, D), once the accumulator (V,) has them."""
    total.index_add_(0, rows, mean_square(values))
    scale = total.index_select(0, rows).sqrt_().add_(group["eps"]).reciprocal_().mul_(-group["lr"])
    table.index_add_(0, rows, values.mul_(scale[:, None]))


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


def mean_square(values: Tensor) -> Tensor:
    """(N, ...) -> (N,)."""
    rows = values.flatten(1)
    return torch.linalg.vector_norm(rows, dim=1).square_().div_(rows.shape[1])


def summed(rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Adds up the values (N, D) of equal rows (N,) -> N rows and values, without waiting for how many differ: those
    that are left over are row 0 with a value of 0."""
    ordered, order = rows.sort(stable=True)
    first = torch.ones_like(ordered)
    first[1:] = ordered[1:] != ordered[:-1]
    place = first.cumsum(0) - 1
    total = torch.zeros_like(values).index_add_(0, place, values.index_select(0, order))
    return torch.zeros_like(ordered).scatter_(0, place, ordered), total
