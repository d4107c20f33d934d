"""A vector for each person and each item, trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers
from embloom.encoders.recommender import Tables


class MatrixFactorization(Tables):
    """Scores an item for a person by the product of their vectors (Koren et al. 2009).

    Args:
        sizes, history, history_offsets: see `Recommender`.
        dim: width of the vectors.
        normalize: vectors have length 1, so that scores are cosines; an item that many had is then no longer than
            others.
        biases: a number for each person and item, and one for all, are added to the product: for ratings.
        std: of the first weights.

    Raises:
        ValueError: an option is out of range, or both `normalize` and `biases` are wanted.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        dim: int = 64,
        normalize: bool = True,
        biases: bool = False,
        std: float = 0.1,
    ) -> None:
        super().__init__(sizes, history, history_offsets, dim)
        numbers(above=0, std=std)
        if normalize and biases:
            raise ValueError("biases=true: beside cosines they have no sense: use normalize=false")
        self.normalize = normalize
        self.item = nn.Parameter(std * torch.randn(sizes["item"], dim))
        self.user = nn.Parameter(std * torch.randn(sizes["user"], dim))
        self.biases = nn.ParameterDict()
        if biases:
            counts = {"all": 1, "item": sizes["item"], "user": sizes["user"]}
            self.biases.update({name: nn.Parameter(torch.zeros(count)) for name, count in counts.items()})

    def make_tables(self) -> dict[str, Tensor]:
        """Both tables, as scores see them."""
        return {"items": self.scaled(self.item), "users": self.scaled(self.user)}

    def scaled(self, rows: Tensor) -> Tensor:
        """Rows of a table, of length 1 where that is wanted."""
        return F.normalize(rows, dim=1) if self.normalize else rows

    def scores(self, user: Tensor) -> Tensor:
        """Person numbers (B,) -> scores (B, items)."""
        found = super().scores(user)
        if not self.biases:
            return found
        return found + self.biases["item"] + self.biases["user"][user, None] + self.biases["all"]

    def forward(
        self, user: Tensor, item: Tensor, owner: Tensor | None = None, noise: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See `Tables.forward`; in training without the tables, since only rows that are needed are scaled."""
        people, liked = self.scaled(self.user[user]), self.scaled(self.item[item])
        tables = {} if self.training else self.tables()
        noises = self.scaled(self.item if noise is None else self.item[noise])
        score = ((people if owner is None else people[owner]) * liked).sum(1)
        if self.biases:
            whose = user if owner is None else user[owner]
            score = score + self.biases["item"][item] + self.biases["user"][whose] + self.biases["all"]
        return {**tables, "user_vector": people, "item_vector": liked, "noise_vector": noises, "score": score}
