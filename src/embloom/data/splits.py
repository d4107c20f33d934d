"""Which samples are held out, and which labels are used, of data that comes without splits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers, positive_integers
from embloom.data.base import Split
from embloom.seeding import generator


@dataclass(frozen=True)
class HeldOut:
    """Parts samples into splits, seeded.

    Args:
        val_fraction: part of the samples that are used held out for validation, of each class its share.
        test_fraction: part of all samples held out for the end, where there is no test set.
        split_seed: draws both.
        train_size: use only so many labels, as many of each class; null is all. Validation comes out of them.

    Raises:
        ValueError: an option is out of range.
    """

    val_fraction: float = 0.1
    test_fraction: float = 0.1
    split_seed: int = 0
    train_size: int | None = None

    def __post_init__(self) -> None:
        numbers(above=0, below=1, val_fraction=self.val_fraction, test_fraction=self.test_fraction)
        integers(0, split_seed=self.split_seed)
        if self.train_size is not None:
            positive_integers(train_size=self.train_size)

    def rows(self, labels: Tensor, classes: int, where: str, what: str, test: bool) -> dict[Split, Tensor]:
        """The rows of each split.

        Args:
            labels: class numbers (N,), all 0 where there are none.
            classes: how many there are.
            where: what holds the samples, for messages.
            what: what samples are called, for messages.
            test: cut off a test split too.

        Raises:
            ValueError: there are too few samples.
        """
        found: dict[Split, Tensor] = {}
        order = torch.randperm(len(labels), generator=generator(self.split_seed))
        if test:
            count = max(1, round(self.test_fraction * len(order)))
            found["test"], order = order[:count], order[count:]
        if self.train_size is not None:
            if self.train_size > len(order):
                raise ValueError(f"dataset.train_size={self.train_size}: there are only {len(order)} labelled {what}")
            order = order[balanced(labels[order], self.train_size, classes)]
        held = stratified(labels[order], max(1, round(self.val_fraction * len(order))), classes)
        rest = torch.ones(len(order), dtype=torch.bool)
        rest[held] = False
        if not rest.any():
            raise ValueError(f"{where} has too few {what} to train, validate and test on")
        return {"train": order[rest], "val": order[held], **found}


def balanced(labels: Tensor, count: int, classes: int) -> Tensor:
    """The first rows in order that hold `count` labels, as many of each class as there are and go in."""
    rank, _ = ranks(labels, classes)
    return rank.argsort(stable=True)[:count].sort().values


def stratified(labels: Tensor, count: int, classes: int) -> Tensor:
    """The first rows in order that hold `count` labels, of each class its share."""
    rank, sizes = ranks(labels, classes)
    return ((rank + 0.5) / sizes[labels]).argsort(stable=True)[:count].sort().values


def ranks(labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Of each row the rank within its class, in float64, and the sizes of the classes."""
    order = labels.argsort(stable=True)
    sizes = torch.bincount(labels, minlength=classes)
    rank = torch.empty(len(labels), dtype=torch.float64)
    rank[order] = (torch.arange(len(labels)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)).double()
    return rank, sizes
