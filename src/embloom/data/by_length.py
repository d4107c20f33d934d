"""Batches of texts of about the same length, so that a grid of them has little padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.data.batches import Batches, Order, as_tensor
from embloom.seeding import generator

CHUNK = 100  # batches whose texts are sorted together


class ByLength(Order):
    """An order, see there, in which texts of a batch are of about the same length: of each chunk of the shuffled texts
    the texts are sorted, cut into batches, and all batches shuffled. Without a seed the texts stay in order.

    Args:
        length: (N,) tokens of each text.
        batch_size, seed, rank, world_size, min_batches: see `Order`.
    """

    def __init__(
        self,
        length: Tensor,
        batch_size: int,
        *,
        seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        min_batches: int = 1,
    ) -> None:
        super().__init__(len(length), batch_size, seed=seed, rank=rank, world_size=world_size, min_batches=min_batches)
        self.length = length

    def __iter__(self) -> Iterator[Tensor]:
        """The rows of each batch, from batch `start` on; the next epoch begins at 0 again."""
        if self.seed is None:
            yield from super().__iter__()
            return
        start, self.start = self.start, 0
        for number in range(start // max(1, self.batches), self.passes):
            batches = self.shuffled(self.seed, self.epoch * self.passes + number)
            for rows in batches[max(0, start - number * self.batches) :]:
                yield rows[self.rank :: self.world_size] if self.world_size > 1 else rows

    def shuffled(self, *numbers: int) -> list[Tensor]:
        """All batches of one pass."""
        draws = generator(*numbers)
        order = torch.randperm(self.count, generator=draws)
        # The rest, which is smaller than a batch, is any texts: not always the longest.
        whole = order[: self.count // self.batch_size * self.batch_size]
        chunks = [part[self.length[part].argsort(stable=True)] for part in whole.split(CHUNK * self.batch_size)]
        found = [rows for chunk in chunks for rows in chunk.split(self.batch_size) if len(rows)]  # none: fewer than one
        if len(found) < self.batches:
            found.append(order[len(whole) :])
        return [found[i] for i in torch.randperm(len(found), generator=draws).tolist()]

    def padding(self) -> float:
        """The part of a grid that would be padding, all batches of the first epoch together."""
        seed = self.seed
        batches = self.shuffled(seed, 0) if seed is not None else list(torch.arange(self.count).split(self.batch_size))
        places = sum(len(rows) * int(self.length[rows].max()) for rows in batches)
        return 1 - sum(int(self.length[rows].sum()) for rows in batches) / max(1, places)


class Passages(Batches):
    """Batches of passages of running text: `token` (T,), the tokens of all in a row, and `length` (B,).

    Args:
        tokens: of the whole corpus; may be a mapped file.
        begin: (N,) where each passage begins in them.
        length: (N,) how many each has.
        order: which passages make which batch.
        device: where the batches go.
    """

    def __init__(self, tokens: NDArray[Any], begin: Tensor, length: Tensor, order: Order, device: torch.device) -> None:
        super().__init__({"length": length}, order)
        self.token, self.begin, self.device = as_tensor(tokens), begin, device

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for rows in self.sampler:
            length = self.columns["length"][rows]
            total = int(length.sum())
            moved = self.begin[rows] - (length.cumsum(0) - length)
            place = torch.repeat_interleave(moved, length, output_size=total) + torch.arange(total)
            found = {"token": self.token.index_select(0, place), "length": length}
            yield {name: column.to(self.device, non_blocking=True) for name, column in found.items()}
