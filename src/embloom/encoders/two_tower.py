"""Vectors of people and items from what is known of them, so that new ones have vectors too."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers, positive_integers, probabilities
from embloom.encoders.recommender import Tables, scored


class TwoTower(Tables):
    """On each side a vector of its own for every row, plus what a small network makes of the row's attributes
    (Covington et al. 2016; Yi et al. 2019); the score is their product.

    In training some rows go without their own vector, so that attributes alone will do for new rows (Volkovs et al.
    2017).

    Args:
        sizes, history, history_offsets: see `Recommender`.
        item_features: (items, F) what is known of the items; None: nothing.
        user_features: (users, G) what is known of the people; None: nothing.
        dim: width of the vectors.
        hidden: width of the networks' hidden layer.
        own: rows have vectors of their own.
        drop_own: how likely a row goes without in training.
        normalize: vectors have length 1: scores are cosines.
        std: of the first own vectors.

    Raises:
        ValueError: an option is out of range, or nothing is known of either side.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        item_features: Tensor | None = None,
        user_features: Tensor | None = None,
        dim: int = 64,
        hidden: int = 128,
        own: bool = True,
        drop_own: float = 0.2,
        normalize: bool = True,
        std: float = 0.1,
    ) -> None:
        super().__init__(sizes, history, history_offsets, dim)
        positive_integers(hidden=hidden)
        probabilities(drop_own=drop_own)
        numbers(above=0, std=std)
        if item_features is None and user_features is None:
            raise ValueError(
                "nothing is known of items or people: give dataset.items=FILE or dataset.users=FILE, or use "
                "encoder=matrix_factorization"
            )
        self.normalize = normalize
        self.item_side = Side(sizes["item"], item_features, dim, hidden, own, drop_own, std)
        self.user_side = Side(sizes["user"], user_features, dim, hidden, own, drop_own, std)

    def make_tables(self) -> dict[str, Tensor]:
        """The vectors of all rows."""
        return {"items": self.scaled(self.item_side(None)), "users": self.scaled(self.user_side(None))}

    def scaled(self, rows: Tensor) -> Tensor:
        """Rows, of length 1 where that is wanted."""
        return F.normalize(rows, dim=1) if self.normalize else rows

    def new_items(self, features: Tensor) -> Tensor:
        """Vectors (N, D) of new items, from what is known of them (N, F).

        Raises:
            ValueError: nothing was known of items in training.
        """
        if self.item_side.network is None:
            raise ValueError("nothing was known of items in training, so new ones have no vectors")
        return self.scaled(self.item_side.network(features))

    def forward(
        self,
        user: Tensor | None = None,
        item: Tensor | None = None,
        owner: Tensor | None = None,
        noise: Tensor | None = None,
        item_features: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """See `Tables.forward`; in training without the tables, since only rows that are needed are made.
        Or, of what is known of new items (N, F), their vectors, `items`."""
        if item_features is not None:
            return {"items": self.new_items(item_features)}
        if user is None or item is None:
            raise ValueError("it takes people and items, `user` and `item`, or what is known of new items")
        if not self.training:
            return super().forward(user, item, owner, noise)
        people, liked = self.scaled(self.user_side(user)), self.scaled(self.item_side(item))
        return scored(people, liked, self.scaled(self.item_side(noise)), owner)


class Side(nn.Module):
    """One tower.

    Args:
        count: how many rows.
        features: (count, F) what is known of them, or None.
        dim: width of the vectors.
        hidden: width of the hidden layer.
        own: rows have vectors of their own; always where nothing is known.
        drop_own: how likely a row goes without in training.
        std: of the first own vectors.
    """

    features: Tensor | None

    def __init__(
        self, count: int, features: Tensor | None, dim: int, hidden: int, own: bool, drop_own: float, std: float
    ) -> None:
        super().__init__()
        self.drop_own = drop_own if features is not None else 0.0
        self.own = nn.Parameter(std * torch.randn(count, dim)) if own or features is None else None
        self.network = None
        self.register_buffer("features", features, persistent=False)
        if features is not None:
            width = features.shape[1]
            self.network = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, dim))

    def forward(self, rows: Tensor | None) -> Tensor:
        """Row numbers (N,), None for all -> vectors (N, D)."""
        found: Tensor | None = None
        if self.own is not None:
            found = self.own if rows is None else self.own[rows]
            if self.training and self.drop_own:
                found = found * (torch.rand(len(found), 1, device=found.device) >= self.drop_own)
        if self.network is not None:
            assert self.features is not None
            known = self.network(self.features if rows is None else self.features[rows])
            found = known if found is None else found + known
        assert found is not None
        return found
