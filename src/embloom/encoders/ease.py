"""EASE: every item is predicted from all others by a linear regression, in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import numbers, positive_integers
from embloom.encoders.interaction_matrix import InteractionMatrix, some_rows
from embloom.encoders.ragged import owners
from embloom.encoders.recommender import Recommender
from embloom.encoders.symmetric_inverse import bytes_needed, invert
from embloom.files.memory import bytes_available

BLOCK = 1024  # items whose weights are made at once


class EASE(Recommender):
    """Scores are r B for somebody's items r, where B has a zero diagonal and minimizes |R - R B|^2 + lambda |B|^2
    (Steck 2019, equation 8): B_ij = -P_ij / P_jj with P = (R^T R + lambda I)^-1.

    Where there are fewer people than items, P comes from the smaller matrix R R^T + lambda I: P = (I - H) / lambda with
    H = R^T (R R^T + lambda I)^-1 R, hence B_ij = H_ij / (1 - H_jj).

    Args:
        sizes: of `user` and `item`.
        history: see `Recommender`.
        history_offsets: see `Recommender`.
        regularization: lambda; grows with the number of interactions.
        keep: how many weights of each item are kept, the strongest ones; the items that they are for are beside them.
    """

    targets: Tensor
    weights: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        regularization: float = 300.0,
        keep: int = 200,
    ) -> None:
        super().__init__(sizes, history, history_offsets)
        numbers(above=0, regularization=regularization)
        positive_integers(keep=keep)
        self.regularization, self.keep = regularization, min(keep, self.items_count)
        self.register_buffer("targets", torch.zeros(self.items_count, self.keep, dtype=torch.int32))
        self.register_buffer("weights", torch.zeros(self.items_count, self.keep))
        self.sizes = {"scores": self.items_count}

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes the weights from the history; says first how much memory that takes.

        Raises:
            ValueError: so much is not available.
        """
        size = min(self.users_count, self.items_count)
        self.claim_memory(size)
        matrix = InteractionMatrix.of(self.history, self.history_offsets, self.items_count)
        rows = self.by_people(matrix) if self.users_count < self.items_count else self.by_items(matrix)
        for first, weights in rows:
            last = first + len(weights)
            weights[torch.arange(len(weights)), torch.arange(first, last)] = 0
            found = weights.abs().topk(self.keep).indices
            self.targets[first:last] = found
            self.weights[first:last] = weights.gather(1, found)

    def claim_memory(self, size: int) -> None:
        """Says how much memory the inverse of a matrix of so many rows takes.

        Raises:
            ValueError: there is less.
        """
        needed = bytes_needed(size) + 4 * BLOCK * (2 * self.items_count + self.users_count)
        available = bytes_available(self.history.device)
        text = f"the inverse of a matrix of {size:,} x {size:,} takes {needed / 1e9:,.1f} GB of memory"
        if needed > available:
            raise ValueError(
                f"encoder=ease: {text}, and {available / 1e9:,.1f} GB are available; "
                "leave out the items that few people had: dataset.min_item=20, for instance"
            )
        print(f"ease: {text}")

    def by_items(self, matrix: InteractionMatrix) -> Iterator[tuple[int, Tensor]]:
        """Numbers of first items, and the weights (items, I) from them on, by way of P."""
        inverse = self.inverse(matrix.by_item, matrix.by_user)
        diagonal = inverse.diagonal().clone()
        for first in range(0, self.items_count, BLOCK):
            yield first, inverse[first : first + BLOCK] / -diagonal

    def by_people(self, matrix: InteractionMatrix) -> Iterator[tuple[int, Tensor]]:
        """The same by way of H."""
        inverse = self.inverse(matrix.by_user, matrix.by_item)
        diagonal = inverse.new_empty(self.items_count)
        for first, last in self.blocks():
            block = some_rows(matrix.by_item, first, last)
            half = block @ inverse
            rows = owners(block.crow_indices())
            entries = half[rows, block.col_indices()]
            diagonal[first:last] = half.new_zeros(last - first).index_add_(0, rows, entries)
        for first, last in self.blocks():
            half = some_rows(matrix.by_item, first, last) @ inverse
            yield first, (matrix.by_item @ half.T).T / (1 - diagonal)

    def inverse(self, matrix: Tensor, transposed: Tensor) -> Tensor:
        """(M M^T + lambda I)^-1 of a sparse matrix."""
        size = len(matrix)
        product = torch.empty(size, size, device=self.history.device)
        for first in range(0, size, BLOCK):
            last = min(first + BLOCK, size)
            product[first:last] = (matrix @ some_rows(matrix, first, last).to_dense().T).T
        product.diagonal().add_(self.regularization)
        return invert(product)

    def blocks(self) -> list[tuple[int, int]]:
        """Where each block of items begins and ends."""
        return [(first, min(first + BLOCK, self.items_count)) for first in range(0, self.items_count, BLOCK)]

    def scores(self, user: Tensor) -> Tensor:
        """Person numbers (B,) -> scores (B, items)."""
        return self.fold_in(*self.had(user))

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """Sums of the items' weights; see `Recommender.fold_in`."""
        people = len(offsets) - 1
        places = owners(offsets)[:, None] * self.items_count + self.targets[items]
        found = self.weights.new_zeros(people * self.items_count)
        return found.index_add_(0, places.flatten(), self.weights[items].flatten()).view(people, -1)

    def activations(self) -> list[str]:
        """None: scores are for losses and rankings."""
        return []

    def forward(self, user: Tensor) -> dict[str, Tensor]:
        """Person numbers (B,) -> `scores` (B, items)."""
        return {"scores": self.scores(user)}
