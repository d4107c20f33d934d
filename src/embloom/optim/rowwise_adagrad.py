"""Adagrad with one accumulator a row, for tables of which a step touches few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


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
        if initial < 0 or eps <= 0:
            raise ValueError(f"initial={initial} must be at least 0, and eps={eps} above 0")
        super().__init__(params, {"lr": lr, "initial": initial, "eps": eps})

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
            rows, values = summed(gradient._indices()[0], gradient._values())
            total.index_add_(0, rows, mean_square(values))
            scale = total.index_select(0, rows).sqrt_().add_(group["eps"]).reciprocal_().mul_(-group["lr"])
            table.index_add_(0, rows, values.mul_(scale[:, None]))
            return
        values = gradient.view_as(table)
        total += mean_square(values)
        shape = (-1, *[1] * (table.ndim - 1))
        table.addcdiv_(values, (total.sqrt() + group["eps"]).view(shape), value=-group["lr"])


def mean_square(values: Tensor) -> Tensor:
    """(N, ...) -> (N,)."""
    return values.square().flatten(1).mean(1)


def summed(rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Adds up the values (N, D) of equal rows (N,) -> rows and values.

    On a GPU, where the number of different rows could only be known by waiting, the result has N rows too; those
    that are left over are row 0 with a value of 0.
    """
    if rows.device.type == "cpu":
        # numpy's sort is several times torch's at these sizes.
        unique, place = np.unique(rows.numpy(), return_inverse=True)
        found, inverse = torch.from_numpy(unique), torch.from_numpy(place)
        return found, values.new_zeros(len(found), values.shape[1]).index_add_(0, inverse, values)
    ordered, order = rows.sort(stable=True)
    first = torch.ones_like(ordered)
    first[1:] = ordered[1:] != ordered[:-1]
    place = first.cumsum(0) - 1
    total = torch.zeros_like(values).index_add_(0, place, values.index_select(0, order))
    return torch.zeros_like(ordered).scatter_(0, place, ordered), total
