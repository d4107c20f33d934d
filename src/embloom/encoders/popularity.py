"""Popularity: the baseline that every recommender has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from embloom.encoders.recommender import Recommender


class Popularity(Recommender):
    """Scores an item by how many had it, for everybody alike.

    Args:
        sizes: of `user` and `item`.
        history: see `Recommender`.
        history_offsets: see `Recommender`.
    """

    counts: Tensor

    def __init__(self, sizes: Mapping[str, int], history: Tensor, history_offsets: Tensor) -> None:
        super().__init__(sizes, history, history_offsets)
        self.register_buffer("counts", torch.zeros(self.items_count))
        self.sizes = {"scores": self.items_count}

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Counts the history; the batches hold nothing more."""
        self.counts.copy_(torch.bincount(self.history, minlength=self.items_count))

    def activations(self) -> list[str]:
        """None: scores are for losses and rankings."""
        return []

    def scores(self, user: Tensor) -> Tensor:
        """Person numbers (B,) -> scores (B, items), each row the same."""
        return self.counts.repeat(len(user), 1)

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """The same for somebody new; see `Recommender.fold_in`."""
        return self.counts.repeat(len(offsets) - 1, 1)

    def forward(self, user: Tensor) -> dict[str, Tensor]:
        """Person numbers (B,) -> `scores` (B, items)."""
        return {"scores": self.scores(user)}
