"""A table of users and a table of items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from embloom.assembly.parameters import positive_integers
from embloom.encoders.base import Encoder


class TwoTables(Encoder):
    """A vector for each user and each item; their product says how much one likes the other.

    Args:
        sizes: of `user` and `item`, how many there are.
        dim: width of the vectors.
    """

    rows: ClassVar[Mapping[str, str]] = {"items": "item", "users": "user"}  # so that the rows have names

    def __init__(self, sizes: Mapping[str, int], dim: int = 16) -> None:
        super().__init__()
        positive_integers(dim=dim)
        self.items = nn.Parameter(0.1 * torch.randn(sizes["item"], dim))
        self.users = nn.Parameter(0.1 * torch.randn(sizes["user"], dim))
        self.sizes = dict.fromkeys(("items", "users", "item_vector", "user_vector", "negative_vector"), dim)

    def tables(self) -> dict[str, Tensor]:
        """Both, the items first: they are what is asked for neighbors."""
        return {"items": self.items, "users": self.users}

    def activations(self) -> list[str]:
        """None: what it returns of a batch are rows of the tables."""
        return []

    def forward(self, user: Tensor, item: Tensor, negative: Tensor | None = None) -> dict[str, Tensor]:
        """Row numbers (B,) -> the rows (B, dim), and the tables."""
        layers = {
            "items": self.items,
            "users": self.users,
            "user_vector": self.users[user],
            "item_vector": self.items[item],
        }
        return layers if negative is None else {**layers, "negative_vector": self.items[negative]}
