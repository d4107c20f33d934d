"""Vectors of people and items, spread along who had what."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embloom.assembly.parameters import integers, numbers
from embloom.encoders.ragged import owners
from embloom.encoders.recommender import Tables
from embloom.threads import in_parts

LEAST_ROWS = 1024  # for a thread of its own


class LightGCN(Tables):
    """Each layer makes a person the sum of the items they had, and an item the sum of the people who had it, each
    divided by the roots of both their numbers; the vectors are the mean of all layers (He et al. 2020, equations 7 to
    9). The trained weights are those of layer 0 only.

    Args:
        sizes, history, history_offsets: see `Recommender`; who had what in training is the graph.
        dim: width of the vectors.
        hops: how many layers.
        normalize: vectors have length 1 in the end, so that scores are cosines.
        popularity: see `Tables`; 0 leaves cosines, which rank rare items as high as known ones.
        std: of the first weights.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        dim: int = 64,
        hops: int = 3,
        normalize: bool = True,
        popularity: float = 0.0,
        std: float = 0.1,
    ) -> None:
        super().__init__(sizes, history, history_offsets, dim, popularity)
        integers(0, hops=hops)
        numbers(above=0, std=std)
        self.hops, self.normalize = hops, normalize
        self.item = nn.Parameter(std * torch.randn(sizes["item"], self.width))
        self.user = nn.Parameter(std * torch.randn(sizes["user"], self.width))
        self.graph: Graph | None = None

    def make_tables(self) -> dict[str, Tensor]:
        """Both tables, spread."""
        if self.graph is None or self.graph.device != self.history.device:
            self.graph = Graph(self.history, self.history_offsets, self.items_count)
        both: Tensor = Spread.apply(torch.cat([self.user, self.item]), self.graph, self.hops)
        if self.normalize:
            both = F.normalize(both, dim=1)
        users, items = both.split([self.users_count, self.items_count])
        return {"items": items, "users": users}


class Graph:
    """The normalised matrix of who had what, and its transpose, as parts for each thread.

    Args:
        history, offsets: see `Recommender`.
        items: how many there are.
    """

    def __init__(self, history: Tensor, offsets: Tensor, items: int) -> None:
        self.device, self.users, self.items = history.device, len(offsets) - 1, items
        user, item = owners(offsets), history.long()
        counts = torch.bincount(item, minlength=items)
        weight = (offsets.diff()[user] * counts[item]).float().rsqrt()
        order = item.argsort(stable=True)
        item_offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.rows = {"users": (offsets, item, weight), "items": (item_offsets, user[order], weight[order])}
        self.kept: dict[tuple[str, int, int], Tensor] = {}

    def part(self, of: str, first: int, last: int) -> Tensor:
        """Some rows, as a sparse matrix."""
        key = (of, first, last)
        if key not in self.kept:
            offsets, columns, weight = self.rows[of]
            inner = slice(int(offsets[first]), int(offsets[last]))
            width = self.items if of == "users" else self.users
            begins = offsets[first : last + 1] - offsets[first]
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # that such matrices are new in torch
                self.kept[key] = torch.sparse_csr_tensor(
                    begins, columns[inner], weight[inner], (last - first, width), check_invariants=False
                )
        return self.kept[key]

    def step(self, both: Tensor) -> Tensor:
        """One layer: rows of people and items (U + I, D) -> the next."""
        users, items = both.split([self.users, self.items])
        found = torch.empty_like(both)

        def spread(of: str, out: Tensor, source: Tensor) -> None:
            def work(first: int, last: int) -> None:
                out[first:last] = self.part(of, first, last) @ source

            in_parts(len(out), LEAST_ROWS if out.device.type == "cpu" else len(out), work)

        spread("users", found[: self.users], items)
        spread("items", found[self.users :], users)
        return found


class Spread(torch.autograd.Function):
    """The mean of all layers. It is linear and symmetric: its gradient is spread in the same way."""

    @staticmethod
    def forward(ctx: Any, both: Tensor, graph: Graph, hops: int) -> Tensor:
        """Rows of people and items (U + I, D) -> the same shape."""
        ctx.graph, ctx.hops = graph, hops
        return spread_mean(both, graph, hops)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """See the class."""
        return spread_mean(gradient.contiguous(), ctx.graph, ctx.hops), None, None


def spread_mean(both: Tensor, graph: Graph, hops: int) -> Tensor:
    """The mean of `both` and what `hops` layers make of it."""
    total, here = both.clone(), both
    for _ in range(hops):
        here = graph.step(here)
        total += here
    return total.div_(hops + 1)
