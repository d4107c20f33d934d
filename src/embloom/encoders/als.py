"""Implicit ALS: factors of people and of items in turns, each by exact least squares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers
from embloom.encoders.interaction_matrix import InteractionMatrix
from embloom.encoders.least_squares import Ridge, chunks_of, solve
from embloom.encoders.recommender import Tables


class ALS(Tables):
    """Matrix factorization of implicit feedback (Hu, Koren and Volinsky 2008), as Rendle et al. (2021) found it strong:
    the sum over interactions of (1 - u v)^2, plus `unobserved` times that of (u v)^2 over all pairs, plus the
    regularization of each row by its `penalty` (see `least_squares.Ridge`).

    Hu's confidence 1 + a of an interaction is `unobserved` = 1 / a here. The random start is the run's seed's.

    Args:
        sizes: of `user` and `item`.
        history: see `Recommender`.
        history_offsets: see `Recommender`.
        dim: numbers in a vector.
        iterations: how often each side is solved.
        unobserved: the weight of pairs that did not happen, against those that did.
        regularization: lambda.
        frequency_scaling: the power of a row's weight that lambda is multiplied by; 0 is the same lambda for all.
    """

    users: Tensor
    items: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        dim: int = 64,
        iterations: int = 6,
        unobserved: float = 0.01,
        regularization: float = 0.005,
        frequency_scaling: float = 1.0,
    ) -> None:
        super().__init__(sizes, history, history_offsets, dim)
        integers(1, iterations=iterations)
        numbers(at_least=0, unobserved=unobserved, frequency_scaling=frequency_scaling)
        numbers(above=0, regularization=regularization)
        self.iterations, self.objective = iterations, Ridge(unobserved, regularization, frequency_scaling)
        self.register_buffer("users", torch.zeros(self.users_count, dim))
        self.register_buffer("items", torch.zeros(self.items_count, dim))

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes both tables from the history; the batches hold nothing more."""
        by_item = InteractionMatrix.of(self.history, self.history_offsets, self.items_count).by_item
        dim = self.items.shape[1]
        people = chunks_of(self.history, self.history_offsets, self.items_count, dim)
        goods = chunks_of(by_item.col_indices(), by_item.crow_indices(), self.users_count, dim)
        self.items.normal_(std=0.1 / dim**0.5)
        for _ in range(self.iterations):
            self.users.copy_(solve(self.items, people, self.users_count, self.objective))
            self.items.copy_(solve(self.users, goods, self.items_count, self.objective))

    @torch.no_grad()
    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """Solves for their vectors, exactly; see `Recommender.fold_in`."""
        chunks = chunks_of(items, offsets, self.items_count, self.items.shape[1])
        return solve(self.items, chunks, len(offsets) - 1, self.objective) @ self.items.T

    def make_tables(self) -> dict[str, Tensor]:
        """Vectors of items and of people, whose product is the score."""
        return {"items": self.items, "users": self.users}
