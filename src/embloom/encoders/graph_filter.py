"""GF-CF: a filter on the graph of items, in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers, positive_integers
from embloom.encoders.interaction_matrix import InteractionMatrix, dense_rows, inverse_root, singular_vectors
from embloom.encoders.recommender import Recommender


class GraphFilter(Recommender):
    """Scores are r N^T N + alpha r D_i^-1/2 V V^T D_i^1/2 for the items r of a person: a linear filter, and an ideal
    one that lets only the lowest frequencies pass (Shen et al. 2021, equation 8). N = D_u^-1/2 R D_i^-1/2 are the
    normalized interactions and V their largest right singular vectors.

    N is made of the history; the weights are V only. N^T N is never made: it has fifty times the entries of N.

    Args:
        sizes: of `user` and `item`.
        history: see `Recommender`.
        history_offsets: see `Recommender`.
        dim: how many singular vectors; all there are where there are fewer.
        alpha: the share of the ideal filter; 0 needs no vectors.
        iterations: of the subspace; more of them make the last vectors more exact.
    """

    vectors: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        dim: int = 256,
        alpha: float = 0.3,
        iterations: int = 6,
    ) -> None:
        super().__init__(sizes, history, history_offsets)
        positive_integers(dim=dim)
        integers(0, iterations=iterations)
        numbers(at_least=0, alpha=alpha)
        self.dim = min(dim, self.users_count, self.items_count)
        self.alpha, self.iterations = alpha, iterations
        self.register_buffer("vectors", torch.zeros(self.items_count, self.dim))
        self.sizes = {"scores": self.items_count, "items": self.dim}
        self.matrix: InteractionMatrix | None = None

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes V from the history; the batches hold nothing more."""
        _, vectors = singular_vectors(self.normalized(), self.dim, self.iterations)
        self.vectors.copy_(vectors)

    def normalized(self) -> InteractionMatrix:
        """N, made when it is first needed."""
        if self.matrix is None or self.matrix.by_user.device != self.history.device:
            self.matrix = InteractionMatrix.of(self.history, self.history_offsets, self.items_count, normalized=True)
        return self.matrix

    def scores(self, user: Tensor) -> Tensor:
        """Person numbers (B,) -> scores (B, items)."""
        return self.fold_in(*self.had(user))

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """Both filters of any items; see `Recommender.fold_in`. Takes (people + 2 items) B numbers of memory."""
        matrix = self.normalized()
        had = dense_rows(items, offsets, self.items_count)
        scores = matrix.by_item @ (matrix.by_user @ had)
        if self.alpha:
            counts = torch.bincount(self.history, minlength=self.items_count)
            passed = self.vectors.T @ (had * inverse_root(counts)[:, None])
            # In place: these are the largest tensors.
            scores.addmm_(self.vectors * counts.float().sqrt()[:, None], passed, alpha=self.alpha)
        return scores.T

    def activations(self) -> list[str]:
        """None: scores are for losses and rankings."""
        return []

    def tables(self) -> dict[str, Tensor]:
        """The items' vectors: rows of V."""
        return {"items": self.vectors}

    def forward(self, user: Tensor) -> dict[str, Tensor]:
        """Person numbers (B,) -> `scores` (B, items), and the table `items`."""
        return {**self.tables(), "scores": self.scores(user)}
