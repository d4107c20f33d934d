"""Batches of people with all that they had: a ragged matrix by its rows, in an order of its own each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from embloom.data.batches import Order
from embloom.encoders.ragged import owners, rows_of

LONGEST = 1024  # items of a person in one batch; the rest makes rows of its own


class Histories:
    """Iterates over rows of people, and can be resumed inside an epoch.

    A batch has `item` (P,), the other columns of interactions (P,), `owner` (P,), which row of the batch each belongs
    to, ascending, and `user` (B,), the person of each row.

    Args:
        user: (N,) the person of each row.
        offsets: (N + 1,) where each row begins in the columns, and the end.
        columns: (P,) each, `item` and perhaps `rating`.
        order: which rows make which batch.
    """

    def __init__(self, user: Tensor, offsets: Tensor, columns: Mapping[str, Tensor], order: Order) -> None:
        self.user, self.offsets, self.columns = user, offsets, dict(columns)
        # Lightning looks for these two on every loader, to set the epoch and to warn of shuffled validation.
        self.sampler = order
        self.batch_sampler = None

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        device = self.user.device
        for chosen in self.sampler:
            rows = chosen.to(device, non_blocking=True)
            batch, offsets = {}, self.offsets
            for name, column in self.columns.items():
                batch[name], offsets = rows_of(column, self.offsets, rows)
            yield {**batch, "owner": owners(offsets), "user": self.user[rows].long()}

    def state_dict(self) -> dict[str, int]:
        """Part of Lightning's protocol for loaders that resume; the position itself is the module's to say."""
        return {"batch": self.sampler.start}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next epoch begin at batch `state["batch"]`."""
        self.sampler.start = state["batch"]


def cut(user: Tensor, offsets: Tensor, longest: int = LONGEST) -> tuple[Tensor, Tensor]:
    """Parts people with very many items into several rows, and leaves out those without any.

    Args:
        user: (N,) the person of each row.
        offsets: (N + 1,).
        longest: items in a row.
    """
    pieces = -(-offsets.diff() // longest)
    row = torch.repeat_interleave(torch.arange(len(user)), pieces)
    number = torch.arange(len(row)) - (pieces.cumsum(0) - pieces)[row]
    return user[row], torch.cat([offsets[:-1][row] + number * longest, offsets[-1:]])
