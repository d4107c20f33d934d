"""Batches of in-memory tensors by slicing: one gather a column, never a Python loop over samples."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from embloom.seeding import generator


class Order:
    """The order of the samples in each epoch, cut into batches; a function of (seed, epoch) alone.

    With several processes, each takes every `world_size`-th sample of each batch, so the number of steps and,
    up to rounding, the gradients are those of one process.

    Args:
        count: number of samples.
        batch_size: samples in a batch, all processes together.
        seed: None keeps the samples in order.
        min_batches: an epoch has at least so many batches; few samples are gone through several times.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        min_batches: int = 1,
    ) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world_size = rank, world_size
        full, rest = divmod(count, batch_size)
        # A last batch too small to give every process a sample is left out.
        self.batches = full + (rest >= world_size)
        self.passes = max(1, -(-min_batches // max(1, self.batches)))
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.passes * self.batches

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this, on a loader's `sampler`, before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Tensor]:
        """The indices of each batch, from batch `start` on; the next epoch begins at 0 again."""
        start, self.start = self.start, 0
        for number in range(start // max(1, self.batches), self.passes):
            order = None
            if self.seed is not None:
                order = torch.randperm(self.count, generator=generator(self.seed, self.epoch * self.passes + number))
            for batch in range(max(0, start - number * self.batches), self.batches):
                first, last = batch * self.batch_size, min((batch + 1) * self.batch_size, self.count)
                chosen = torch.arange(first, last) if order is None else order[first:last]
                yield chosen[self.rank :: self.world_size] if self.world_size > 1 else chosen


class Batches:
    """Iterates over columns of tensors by the batches of an `Order`, and can be resumed inside an epoch.

    Args:
        columns: name -> tensor with one row a sample, all on one device.
        order: which rows make which batch.
    """

    def __init__(self, columns: Mapping[str, Tensor], order: Order) -> None:
        self.columns = dict(columns)
        # Lightning looks for these two on every loader, to set the epoch and to warn of shuffled validation.
        self.sampler = order
        self.batch_sampler = None

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        # A generator: Lightning makes the iterator before it sets the epoch, and nothing runs until the first
        # batch is asked for.
        device = next(iter(self.columns.values())).device
        for rows in self.sampler:
            if device.type != "cpu":
                rows = rows.to(device, non_blocking=True)
            yield {name: column.index_select(0, rows) for name, column in self.columns.items()}

    def state_dict(self) -> dict[str, int]:
        """Part of Lightning's protocol for loaders that resume; the position itself is the module's to say."""
        return {"batch": self.sampler.start}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next epoch begin at batch `state["batch"]`."""
        self.sampler.start = state["batch"]


def even_size(count: int, batch_size: int) -> int:
    """The size of batches that are all about as large, up to `batch_size`: a rest of two samples would be a batch that
    a norm over the batch makes nonsense of."""
    return -(-count // -(-count // batch_size))


def as_tensor(array: Any) -> Tensor:
    """The same memory, also of a file that is mapped and must not be written."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return torch.from_numpy(array)
