"""Batches of people with all that they had: a ragged matrix by its rows, in an order of its own each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from embloom.data.batches import Batches, Order
from embloom.encoders.ragged import owners, rows_of

LONGEST = 1024  # items of a person in one batch; the rest makes rows of its own


class Histories(Batches):
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
        super().__init__(columns, order)
        self.user, self.offsets = user, offsets

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        device = self.user.device
        for chosen in self.sampler:
            rows = chosen.to(device, non_blocking=True)
            batch, offsets = {}, self.offsets
            for name, column in self.columns.items():
                batch[name], offsets = rows_of(column, self.offsets, rows)
            yield {**batch, "owner": owners(offsets), "user": self.user[rows].long()}


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
