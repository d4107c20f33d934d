"""What every dataset offers: splits of named columns, their sizes, and how a batch becomes what encoders see."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from embloom.data.batches import Batches, Order

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
EVAL_BATCH = 2048


class Dataset(LightningDataModule):
    """Columns of tensors by name for each split.

    A subclass sets `sizes`, `labels` and `names`, and says in `load` what the columns are. Everything about it
    that can be wrong without reading the data is checked in its constructor.

    Attributes:
        sizes: column -> its width, or its number of classes (`{"image": 1024, "label": 10}`).
        labels: the columns that are class labels.
        names: label column -> what its classes are called, if known.
        image_shape: (channels, height, width) where `image` is a picture, else None.
    """

    sizes: dict[str, int]
    labels: tuple[str, ...] = ()
    names: dict[str, list[str]]
    image_shape: tuple[int, int, int] | None = None

    def __init__(self, batch_size: int, resident: bool | str = "auto", seed: int = 0) -> None:
        super().__init__()
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"dataset.batch_size={batch_size}: it must be a whole number of at least 1")
        if resident not in (True, False, "auto"):
            raise ValueError(f"dataset.resident={resident}: it must be auto, true or false")
        self.batch_size, self.resident, self.seed = batch_size, resident, seed
        self.names = {}
        self.columns: dict[Split, dict[str, Tensor]] = {}

    def measure(self) -> None:
        """Finds `sizes` where only the data can tell them; called while they are empty, before anything that
        needs them is built.

        Raises:
            ValueError: the data cannot be read.
        """

    @abstractmethod
    def load(self) -> dict[Split, dict[str, Tensor]]:
        """Reads the data: for each split the columns, one row a sample, on the CPU."""

    def transform(self, batch: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        """What the encoder and the losses see of a batch; runs on the device. Supervision made on the fly
        (noise, negatives, views) belongs here, and draws from torch's default generators."""
        return batch

    def choose(self, batch: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
        """Some of a batch's samples, by their row numbers."""
        return {name: column[rows.to(column.device)] for name, column in batch.items()}

    def inputs(self) -> dict[str, Any]:
        """What the artifact's card says of raw inputs, so that it can encode new ones without this dataset."""
        return {}

    def keys(self) -> dict[str, list[str]]:
        """Column -> what the rows of a table over it are called (words, items)."""
        return {}

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the data, for the artifact's card."""
        rows = {split: len(next(iter(columns.values()))) for split, columns in self.columns.items()}
        return {"dataset": type(self).__name__, "rows": rows, "sizes": dict(self.sizes)}

    def setup(self, stage: str | None = None) -> None:
        """Reads the data once; Lightning calls it before fit and test alike."""
        if not self.columns:
            self.columns = self.load()
            for split, columns in self.columns.items():
                if not len(next(iter(columns.values()))):
                    raise ValueError(f"the dataset's {split} split is empty: give it more data")

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Batches of one split, shuffled by (seed, epoch) or in order.

        Args:
            every_rank: each process gets the whole split, not its share.
        """
        trainer = self.trainer if not every_rank else None
        columns = self.placed(self.columns[split])
        order = Order(
            len(next(iter(columns.values()))),
            self.batch_size if shuffle else EVAL_BATCH,
            seed=self.seed if shuffle else None,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        return Batches(columns, order)

    def placed(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The columns on the GPU that trains, where they fit into half of its free memory (or are told to)."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if device.type != "cuda" or self.resident is False:
            return dict(columns)
        size = sum(column.nbytes for column in columns.values())
        if self.resident == "auto" and size > torch.cuda.mem_get_info(device)[0] / 2:
            return dict(columns)
        return {name: column.to(device) for name, column in columns.items()}

    def train_dataloader(self) -> Any:
        """Shuffled batches of the training split."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> Any:
        """The validation split in order."""
        return self.loader("val")

    def test_dataloader(self) -> Any:
        """The test split in order."""
        return self.loader("test")

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Copies only what is not on the device yet; Lightning's general walk costs more than a small layer."""
        if device.type == "cpu":
            return batch
        return {name: column.to(device, non_blocking=True) for name, column in batch.items()}
