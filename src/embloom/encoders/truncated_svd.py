"""Truncated singular value decomposition of the normalized interactions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers
from embloom.encoders.interaction_matrix import InteractionMatrix, inverse_root, singular_vectors, stretch
from embloom.encoders.ragged import owners
from embloom.encoders.recommender import Tables


class TruncatedSVD(Tables):
    """Tables of people and items from the largest singular vectors of D_u^-1/2 R D_i^-1/2 = U S V^T: rows of
    U S^exponent and of D_i^popularity V.

    The random start of the iteration is the run's seed's.

    Args:
        sizes: of `user` and `item`.
        history: see `Recommender`.
        history_offsets: see `Recommender`.
        dim: how many singular vectors; all there are where there are fewer.
        iterations: of the subspace; more of them make the last vectors more exact.
        exponent: of the singular values: 1 approximates the matrix, 0 weighs all directions alike.
        popularity: power of an item's count by which its vector is stretched.
    """

    users: Tensor
    items: Tensor
    values: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        dim: int = 64,
        iterations: int = 6,
        exponent: float = 1.0,
        popularity: float = 0.5,
    ) -> None:
        super().__init__(sizes, history, history_offsets, dim)
        integers(0, iterations=iterations)
        numbers(at_least=-2, at_most=2, exponent=exponent, popularity=popularity)
        self.dim, self.iterations = min(dim, self.users_count, self.items_count), iterations
        self.sizes |= {name: self.dim for name in self.sizes if name != "score"}
        self.exponent, self.popularity = exponent, popularity
        self.register_buffer("users", torch.zeros(self.users_count, self.dim))
        self.register_buffer("items", torch.zeros(self.items_count, self.dim))
        self.register_buffer("values", torch.ones(self.dim))

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes both tables from the history; the batches hold nothing more."""
        matrix = InteractionMatrix.of(self.history, self.history_offsets, self.items_count, normalized=True)
        values, vectors = singular_vectors(matrix, self.dim, self.iterations)
        counts = torch.bincount(self.history, minlength=self.items_count).clamp(min=1).float()
        self.values.copy_(values)
        self.items.copy_(vectors * counts.pow(self.popularity)[:, None])
        self.users.copy_(matrix.by_user @ (vectors * stretch(self.values, self.exponent)))

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """The row of U S^exponent that they would have had; see `Recommender.fold_in`."""
        counts = torch.bincount(self.history, minlength=self.items_count)
        back = inverse_root(counts) * counts.clamp(min=1).float().pow(-self.popularity)
        lengths, owner = offsets.diff(), owners(offsets)
        rows = (
            self.items[items]
            * back[items, None]
            * (inverse_root(lengths)[owner, None] * stretch(self.values, self.exponent))
        )
        return self.items.new_zeros(len(lengths), self.dim).index_add_(0, owner, rows) @ self.items.T

    def make_tables(self) -> dict[str, Tensor]:
        """Vectors of items and of people, whose product is the score."""
        return {"items": self.items, "users": self.users}
