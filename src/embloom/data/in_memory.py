"""Datasets whose columns fit into memory: batches are slices of whole tensors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from embloom.data.base import Dataset, Split, digest_of
from embloom.data.batches import Batches, Order

EVAL_BATCH = 2048


class InMemoryDataset(Dataset):
    """Derive your own from this: set `sizes` and `labels`, and write `load`.

    Args:
        batch_size: samples a step, all processes together.
        resident: keep the data on the GPU: `auto` (where it fits into half of the free memory), true, false.
        seed: the run's; decides the order.
    """

    in_memory: bool = True

    def __init__(self, batch_size: int, resident: bool | str = "auto", seed: int = 0) -> None:
        super().__init__(batch_size, resident, seed)
        self.columns: dict[Split, dict[str, Tensor]] = {}

    @abstractmethod
    def load(self) -> dict[Split, dict[str, Tensor]]:
        """Reads the data: for each split (`train`, `val`, `test`) the columns, one row a sample, on the CPU."""
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Reads the data once, and checks it."""
        self.ready()
        if not self.columns:
            columns = self.load()
            self.check_columns(columns)
            self.columns = columns
            if self.added is not None:
                self.added.attach(self)

    def check_columns(self, splits: Mapping[Split, Mapping[str, Tensor]]) -> None:
        """Refuses splits that training or probes would stumble over.

        Raises:
            ValueError: a split is missing or empty, columns differ in length, or a label is no class number.
        """
        for split in ("train", "val", "test"):
            columns = splits.get(split)
            if not columns or not len(next(iter(columns.values()))):
                raise ValueError(f"the dataset's {split} split is empty: give it more data")
            lengths = {name: len(column) for name, column in columns.items()}
            if len(set(lengths.values())) > 1:
                raise ValueError(f"the columns of the dataset's {split} split differ in length: {lengths}")
            for label in self.labels:
                if label in columns:
                    self.check_label(split, label, columns[label])

    def check_label(self, split: Split, label: str, column: Tensor) -> None:
        """Refuses labels outside the classes that were announced."""
        if column.is_floating_point():
            raise ValueError(f"the label '{label}' must be class numbers (int64), and is {column.dtype}")
        if label not in self.sizes:
            raise ValueError(f"the label '{label}' has no size: set sizes['{label}'] to its number of classes")
        low, high = int(column.min()), int(column.max())
        if low < 0 or high >= self.sizes[label]:
            raise ValueError(
                f"the label '{label}' of the {split} split has classes {low} to {high}, and sizes['{label}'] says "
                f"{self.sizes[label]}: they count from 0"
            )

    def attach(self, split: Split, name: str, column: Tensor) -> None:
        """Beside the others; `placed` and batches treat it alike."""
        self.columns[split][name] = column

    def rows(self) -> dict[str, int]:
        """Split -> its number of samples."""
        return {split: len(next(iter(columns.values()))) for split, columns in self.columns.items()}

    def digest(self) -> str:
        """A hash of every column."""
        return digest_of(self.columns)  # type: ignore[arg-type]

    def samples_a_batch(self, count: int, shuffle: bool) -> int:
        """How many samples a batch of a split of `count` has, in training (`shuffle`) or of held-out samples."""
        return self.batch_size if shuffle else EVAL_BATCH

    def order(self, count: int, *, shuffle: bool, every_rank: bool, batch_size: int | None = None) -> Order:
        """Which samples make which batch."""
        rank, world_size = self.process(every_rank)
        size = batch_size if batch_size and shuffle else self.samples_a_batch(count, shuffle)
        return Order(
            count,
            size,
            seed=self.seed if shuffle else None,
            rank=rank,
            world_size=world_size,
            min_batches=self.min_batches if shuffle else 1,
        )

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Batches of one split, shuffled by (seed, epoch) or in order."""
        columns = self.placed(self.columns[split])
        count = len(next(iter(columns.values())))
        return Batches(columns, self.order(count, shuffle=shuffle, every_rank=every_rank))

    def placed(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The columns on the GPU that trains, where they fit into half of its free memory (or are told to)."""
        device = self.home(columns)
        return {name: column.to(device) for name, column in columns.items()}
