"""What encoders of people and items share: they score every item for a person, known or new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from embloom.encoders.base import Encoder


class Recommender(Encoder):
    """Scores items for people. Derive your own from this: write `scores` and `fold_in`.

    Args:
        sizes: the dataset's; `user` and `item` are how many there are.
        history: (P,) int32, the item of each training interaction, person by person; the artifact keeps it, so that
            what somebody had is not recommended again.
        history_offsets: (users + 1,) int64, where each person's begin in it, and the end.
    """

    rows: ClassVar[Mapping[str, str]] = {"items": "item", "users": "user"}

    def __init__(self, sizes: Mapping[str, int], history: Tensor, history_offsets: Tensor) -> None:
        super().__init__()
        self.users_count, self.items_count = sizes["user"], sizes["item"]
        # The dataset has them while training, and the artifact beside the weights.
        self.register_buffer("history", history, persistent=False)
        self.register_buffer("history_offsets", history_offsets, persistent=False)

    history: Tensor
    history_offsets: Tensor

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """Scores for people of whom nothing is known but what they had.

        Args:
            items: (P,) item numbers, person by person.
            offsets: (B + 1,) where each person's begin, and the end.

        Returns:
            (B, items).
        """
        raise NotImplementedError(f"{type(self).__name__} knows the people it was trained with only")

    def had(self, user: Tensor) -> tuple[Tensor, Tensor]:
        """What people (B,) had in training: items (P,) int64, person by person, and offsets (B + 1,)."""
        return rows_of(self.history, self.history_offsets, user)


class Tables(Recommender):
    """A vector for each person and each item, whose product is the score.

    A subclass says in `tables` what they are, `items` first, and in `sizes` how wide.
    """

    ridge: ClassVar[float] = 1.0

    def activations(self) -> list[str]:
        """None: what it returns of a batch are rows of the tables."""
        return []

    def scores(self, user: Tensor) -> Tensor:
        """Person numbers (B,) -> scores (B, items)."""
        tables = self.tables()
        return tables["users"][user] @ tables["items"].T

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """The mean of the items' vectors takes the place of a person's; see `Recommender.fold_in`."""
        table = self.tables()["items"]
        lengths = offsets.diff()
        owner = torch.repeat_interleave(torch.arange(len(lengths), device=table.device), lengths)
        total = table.new_zeros(len(lengths), table.shape[1]).index_add_(0, owner, table[items])
        return total / lengths.clamp(min=1)[:, None] @ table.T

    def forward(self, user: Tensor, item: Tensor, noise: Tensor | None = None) -> dict[str, Tensor]:
        """Row numbers of people (U,), items (P,) and noise items (K,) -> their vectors `user_vector` (U, D),
        `item_vector` (P, D) and `noise_vector` (K, D), of all items where no noise is given; and both tables."""
        tables = self.tables()
        found = {**tables, "user_vector": tables["users"][user], "item_vector": tables["items"][item]}
        return {**found, "noise_vector": tables["items"] if noise is None else tables["items"][noise]}


def rows_of(values: Tensor, offsets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Some rows of a ragged matrix.

    Args:
        values: (P,) of all rows, one after the other.
        offsets: (N + 1,) where each row begins, and the end.
        rows: (B,) which ones.

    Returns:
        Their values (Q,), int64 where they are integers, and offsets (B + 1,).
    """
    begins = offsets[rows]
    lengths = offsets[rows + 1] - begins
    ends = lengths.cumsum(0)
    places = torch.arange(int(ends[-1]) if len(rows) else 0, device=rows.device)
    places += torch.repeat_interleave(begins - ends + lengths, lengths)
    found = values[places]
    return (found if found.is_floating_point() else found.long()), torch.cat([ends.new_zeros(1), ends])
