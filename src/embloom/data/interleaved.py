"""Pairs in an order from which shuffled batches are read as long stretches, each batch in ascending order.

Of N pairs in ascending order, stretch k of K holds every K-th one from the k-th on. So each stretch is a fair sample of
all of them, and any stretches whose numbers ascend, read across, are in order again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.data.resumable import Resumable
from embloom.seeding import generator

STRETCH = 1 << 14  # pairs; a few long reads make a batch
LEAST = 1024  # stretches, where there are few pairs


def stretches(count: int) -> int:
    """How many stretches so many pairs are in."""
    return max(count // STRETCH, min(count, LEAST))


def begins_of(count: int) -> NDArray[np.int64]:
    """(K + 1,) where each stretch begins, and the end: the first ones have a pair more."""
    number = stretches(count)
    numbers = np.arange(number + 1, dtype=np.int64)
    return numbers * (count // max(1, number)) + np.minimum(numbers, count % max(1, number))


def interleave(ascending: NDArray[np.generic], file: Path, most: int) -> None:
    """Writes a column of ascending pairs as a `.npy` file of stretches, at most so many numbers at a time."""
    number, begins = stretches(len(ascending)), begins_of(len(ascending))
    out = np.lib.format.open_memmap(file, mode="w+", dtype=ascending.dtype, shape=ascending.shape)
    longest, step = -(-len(ascending) // max(1, number)), max(1, most // max(1, number))
    for first in range(0, longest, step):
        part = np.array(ascending[first * number : (first + step) * number])
        for k in range(min(number, len(part))):
            own = part[k::number]
            out[begins[k] + first : begins[k] + first + len(own)] = own
    out.flush()


class Interleaved(Resumable):
    """Iterates over batches of pairs, each of stretches drawn by (seed, epoch), and can be resumed inside an epoch.

    Args:
        columns: name -> (N,) in stretches.
        batch_size: pairs in a batch, about; all processes together.
        min_batches: an epoch has at least so many batches; few pairs make smaller ones.
        seed: the run's.
    """

    def __init__(
        self,
        columns: Mapping[str, Tensor],
        batch_size: int,
        *,
        seed: int,
        min_batches: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__()
        self.columns, self.seed, self.rank, self.world_size = dict(columns), seed, rank, world_size
        count = len(next(iter(self.columns.values())))
        self.begins = begins_of(count).tolist()
        number = len(self.begins) - 1
        together = max(1, round(batch_size * number / count))
        self.batches = max(1, min(number // world_size, max(min_batches, round(number / together))))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        start = self.begin()
        number = len(self.begins) - 1
        order = torch.randperm(number, generator=generator(self.seed, self.epoch))
        for batch in range(start, self.batches):
            chosen = order[number * batch // self.batches : number * (batch + 1) // self.batches]
            own = chosen[self.rank :: self.world_size].sort().values.tolist()
            yield {name: across([column[self.begins[k] : self.begins[k + 1]] for k in own])
                   for name, column in self.columns.items()}  # fmt: skip


def across(parts: list[Tensor]) -> Tensor:
    """The first numbers of all parts, then the second ones, ...; the first parts may have one more."""
    length = len(parts[-1])
    last = [part[length:] for part in parts if len(part) > length]
    return torch.cat([torch.stack([part[:length] for part in parts], 1).flatten(), *last])
