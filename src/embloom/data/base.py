"""What every dataset offers: splits of named columns, their sizes, and how a batch becomes what encoders see."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from embloom.artifact.readers.base import Reader
from embloom.assembly.parameters import choices, positive_integers
from embloom.data.added import RAW, Added
from embloom.encoders.ragged import Ragged

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Phase = Literal["train", "eval", "embed"]
Batch = dict[str, Tensor]
Encode = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class RowClasses:
    """What is known of the rows of a table.

    Attributes:
        codes: (N,) class numbers, -1 where nothing is known.
        names: what the classes are called.
    """

    codes: Tensor
    names: list[str]


class Dataset(LightningDataModule):
    """Columns of tensors by name for each split. Most derive from `InMemoryDataset`.

    A subclass sets `sizes`, `labels` and `names`, and says in `loader` how batches are made. Everything about it that
    can be wrong without reading the data is checked in its constructor.

    Attributes:
        sizes: column -> its width, or its number of classes or rows (`{"features": 1024, "label": 10}`).
        labels: the columns that are class labels, which probes ask about.
        names: label column -> what its classes are called, if known.
        supplies: whatever else an encoder or a loss may ask for by the name of a constructor's parameter: plain
            values, or tensors.
        row_classes: column -> attribute -> what is known of the rows of tables over it (a film's genre).
        histories: of people and items, what each person had, by split.
        newcomers: of people that training never saw, what they had, and what they should be shown, by split.
        reader: how raw inputs become columns, so that the artifact can encode new ones; None: rows of numbers.
        locations: options that say where the data is; a resume may change them.
        no_effect: options that change no result.
        offers: a tensor that it has with another setting only -> that setting, as it is typed.
        training_only: options that change nothing about held-out samples and their loss.
        views: rows that `transform` makes of each sample, in all phases but `embed`.
        known: names that a vocabulary (by column) and the classes (by label) must have, whatever the data holds, since
            an embedding that is to be grown has them; set before `measure`.
        in_memory: whether columns can be added, see `attach`.
        added: columns from elsewhere.
        checked: whether they fit.
        min_batches: an epoch of training has at least so many batches; set by the run, from `trainer.min_batches`.
    """

    sizes: dict[str, int]
    labels: tuple[str, ...] = ()
    names: dict[str, list[str]]
    supplies: dict[str, Any]
    row_classes: dict[str, dict[str, RowClasses]]
    histories: dict[Split, Ragged]
    newcomers: dict[Split, tuple[Ragged, Ragged]]
    reader: Reader | None = None
    locations: ClassVar[tuple[str, ...]] = ("root", "path")
    no_effect: ClassVar[tuple[str, ...]] = ("resident",)
    offers: ClassVar[Mapping[str, str]] = {}
    training_only: tuple[str, ...] = ("batch_size", "seed")
    views: int = 1
    in_memory: bool = False
    added: Added | None = None
    checked: bool = False

    min_batches: int = 1

    def __init__(self, batch_size: int, resident: bool | str = "auto", seed: int = 0) -> None:
        super().__init__()
        positive_integers(batch_size=batch_size)
        choices((True, False, "auto"), resident=resident)
        self.batch_size, self.resident, self.seed = batch_size, resident, seed
        self.sizes, self.names, self.supplies = {}, {}, {}
        self.row_classes, self.histories, self.newcomers = {}, {}, {}
        self.known: dict[str, list[str]] = {}

    # -- what a subclass says

    def measure(self) -> None:
        """Finds `sizes` where only the data can tell them; called once, before anything that needs them is built.

        Raises:
            ValueError: the data cannot be read.
        """

    @abstractmethod
    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Batches of one split, shuffled by (seed, epoch) or in order.

        Args:
            split: which one.
            shuffle: in another order each epoch.
            every_rank: each process gets the whole split, not its share.
        """
        raise NotImplementedError

    def fit_loader(self) -> Iterator[Batch]:
        """Batches that an encoder is computed from: the training split in order, and samples without labels (-1)
        where there are more."""
        return iter(self.loader("train", every_rank=True))

    @abstractmethod
    def rows(self) -> dict[str, int]:
        """Split -> its number of samples."""
        raise NotImplementedError

    def reader_for(self, tensors: Collection[str]) -> Reader | None:
        """`reader`, where an encoder may take such tensors."""
        return self.reader

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """What the encoder and the losses see of a batch; runs on the device.

        Supervision made on the fly (noise, negatives, views) belongs here, and comes from torch's default generators.
        Phases: `train`; `eval`, for the loss of held-out samples, seeded alike each time; `embed`, clean, one row a
        sample, for probes and artifacts.
        """
        return batch

    def seen(self, batch: Batch, phase: Phase) -> Batch:
        """`transform`, and the columns that come from elsewhere."""
        columns = self.transform(batch, phase)
        return columns if self.added is None else self.added.placed(columns)

    def attach(self, split: Split, name: str, column: Tensor) -> None:
        """Adds a column, a row for each sample of a split; `transform` must let it through.

        Raises:
            ValueError: the dataset does not hold its columns in memory.
        """
        raise ValueError(f"dataset.features: {type(self).__name__} takes no further columns: leave it out")

    def choose(self, batch: Batch, rows: Tensor) -> Batch:
        """Some of a batch's samples, by their row numbers."""
        return {name: column[rows.to(column.device)] for name, column in batch.items()}

    def keys(self) -> dict[str, list[str]]:
        """Column -> what the rows of a table over it are called (words, items)."""
        return {}

    def digest(self) -> str:
        """Identifies the content of the data: another digest is other data."""
        return ""

    # -- what follows from it

    def ready(self) -> None:
        """Measures, where that has not been done."""
        if not self.sizes:
            self.measure()
        if self.added is not None:
            if not self.checked:
                self.added.check(self)
                self.checked = True
            self.sizes |= self.added.sizes

    def unseen(self, column: str, names: Collection[str]) -> list[str]:
        """The known names of a column, or of the classes of a label, that are not among those of the data."""
        there = set(names)
        return [name for name in self.known.get(column, ()) if name not in there]

    def class_counts(self) -> dict[str, int]:
        """Label -> number of classes."""
        return {name: self.sizes[name] for name in self.labels}

    def class_names(self, label: str) -> list[str]:
        """What the classes of a label are called; their numbers where they have no names."""
        return list(self.names.get(label) or map(str, range(self.sizes[label])))

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the data, for the artifact's card and for a resume."""
        keys = hashlib.blake2b(repr(sorted(self.keys().items())).encode(), digest_size=16).hexdigest()
        content = self.digest()
        if self.added is not None:
            told = json.dumps([content, self.added.identity()])
            content = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
        return {
            "dataset": type(self).__name__,
            "rows": self.rows(),
            "sizes": dict(self.sizes),
            "classes": {label: self.class_names(label) for label in self.labels},
            "keys": keys,
            "content": content,
        }

    def setup(self, stage: str | None = None) -> None:
        """Reads what there is to read; Lightning calls it before fit and test alike."""
        self.ready()

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
        return batch if device.type == "cpu" else to_device(batch, device)

    def device(self) -> torch.device:
        """Where the training takes place."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def home(self, columns: Mapping[str, Tensor]) -> torch.device:
        """Where columns are kept: on the GPU that trains, where they fit into half of its free memory (or are told
        to)."""
        device = self.device()
        if device.type != "cuda" or self.resident is False:
            return torch.device("cpu")
        size = sum(column.nbytes for column in columns.values())
        too_large = self.resident == "auto" and size > torch.cuda.mem_get_info(device)[0] / 2
        return torch.device("cpu") if too_large else device

    def process(self, every_rank: bool) -> tuple[int, int]:
        """The number of this process, and of all, among which a split is parted."""
        trainer = self.trainer if not every_rank else None
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> Batch:
    """A batch on a device."""
    return {name: column.to(device, non_blocking=True) for name, column in batch.items()}


@torch.no_grad()
def encoded_batches(
    dataset: Dataset, split: Split, encode: Encode, device: torch.device, rows: Tensor | None = None
) -> Iterator[Batch]:
    """Runs an encoder over a split, in order: the columns of each batch and what the encoder makes of them.

    Args:
        dataset: set up.
        split: which one.
        encode: columns -> layers, in evaluation mode.
        device: where it runs.
        rows: only these samples, ascending; None is all.
    """
    start = 0
    for batch in dataset.loader(split, every_rank=True):
        if rows is not None:
            count = samples_in(dataset, batch)
            here = rows[(rows >= start) & (rows < start + count)] - start
            start += count
            if not len(here):
                continue
            batch = dataset.choose(batch, here)
        columns = dataset.seen(to_device(batch, device), "embed")
        yield {**columns, **encode(columns)}


def encoded(
    dataset: Dataset,
    split: Split,
    encode: Encode,
    names: Iterable[str],
    device: torch.device,
    rows: Tensor | None = None,
) -> Batch:
    """The named tensors of a split, all batches one after the other; see `encoded_batches`.

    Raises:
        ValueError: there is no such tensor.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    for tensors in encoded_batches(dataset, split, encode, device, rows):
        for name, found in parts.items():
            if name not in tensors:
                raise ValueError(f"there is no tensor '{name}'; available: {', '.join(tensors)}")
            found.append(tensors[name].float() if tensors[name].is_floating_point() else tensors[name])
    return {name: torch.cat(found) for name, found in parts.items()}


def samples_in(dataset: Dataset, batch: Mapping[str, Tensor]) -> int:
    """How many samples a batch holds: as many as a label or a length has rows, else as its first column."""
    name = next((name for name in (*dataset.labels, "length") if name in batch), next(iter(batch)))
    return len(batch[name])


def digest_of(columns: Mapping[str, Mapping[str, Tensor]], names: Sequence[str] = SPLITS) -> str:
    """A hash of every number of every split's columns, but for those that were added."""
    digest = hashlib.blake2b(digest_size=16)
    for split in names:
        own = {name: column for name, column in columns.get(split, {}).items() if not name.startswith(RAW)}
        for name, column in sorted(own.items()):
            digest.update(f"{split} {name} {column.dtype} {tuple(column.shape)}".encode())
            numbers: Any = column.cpu().contiguous().view(torch.uint8).numpy()
            digest.update(numbers.data)
    return digest.hexdigest()
