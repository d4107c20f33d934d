"""The user's own images: a folder a class, any size and mode, in memory or streamed through workers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from embloom.artifact.readers.image import ImageReader
from embloom.assembly.parameters import choices, integers, numbers
from embloom.data.base import SPLITS, Split
from embloom.data.batches import Order
from embloom.data.images import ImageDataset
from embloom.files.finding import IMAGES
from embloom.files.memory import bytes_available

SKIP = "repair or remove it, or set dataset.skip_unreadable=true"
Sample = tuple[Path, int]


class ImageFolder(ImageDataset):
    """`root/<class>/<image>`, or `root/train/<class>/<image>` beside `test/` and, optionally, `val/`.

    Args:
        root: the folder.
        val_fraction: part of the training images held out for validation where there is no `val/`.
        test_fraction: likewise for the end where there is no `test/`.
        stream: read images from disk batch by batch; `auto` does so when they do not fit into half of the
            memory that is free.
        workers: reading processes when streaming.
        skip_unreadable: leave broken images out, with a count, instead of stopping. In memory only.
        options: see `ImageDataset`.
    """

    no_effect = ("resident", "stream", "workers")

    def __init__(
        self,
        batch_size: int,
        root: str,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        stream: bool | str = "auto",
        workers: int = 2,
        skip_unreadable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(batch_size, **options)
        numbers(above=0, below=1, val_fraction=val_fraction, test_fraction=test_fraction)
        choices((True, False, "auto"), stream=stream)
        integers(0, workers=workers)
        self.root = Path(root)
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.workers, self.skip_unreadable = workers, skip_unreadable
        self.samples = self.listed()
        self.streams = self.too_large() if stream == "auto" else bool(stream)
        self.in_memory = not self.streams

    def listed(self) -> dict[Split, list[Sample]]:
        """Lists the images of each split, without opening any.

        Raises:
            ValueError: the folder, its classes or the images of a class are missing.
        """
        if not self.root.is_dir():
            raise ValueError(f"dataset.root={self.root} is no folder: give one with a folder of images a class")
        own = {split: self.root / split for split in ("train", "val", "test") if (self.root / split).is_dir()}
        if not ("train" in own and len(own) > 1):
            own = {"train": self.root}
        names = folders_in(own["train"])
        if len(names) < 2:
            raise ValueError(f"dataset.root={own['train']} has {len(names)} class folders: it takes two or more")
        self.named_classes(names)
        found: dict[Any, list[Sample]] = {s: image_files(folder, names) for s, folder in own.items()}
        rest = found["train"]
        order = self.permutation(len(rest)).tolist()
        for split, fraction in (("test", self.test_fraction), ("val", self.val_fraction)):
            if split not in found:
                count = max(1, round(fraction * len(rest)))
                found[split] = [rest[i] for i in order[:count]]
                order = order[count:]
        found["train"] = [rest[i] for i in sorted(order)]
        if not found["train"]:
            raise ValueError(f"dataset.root={self.root} has too few images to train, validate and test on")
        if self.train_size is not None:
            found["train"] = [found["train"][i] for i in self.few([label for _, label in found["train"]]).tolist()]
        return found

    def too_large(self) -> bool:
        """Whether all pixels together would take more than half of the free memory."""
        count = sum(len(samples) for samples in self.samples.values())
        return count * self.pixels.size > bytes_available() / 2

    def setup(self, stage: str | None = None) -> None:
        """Reads the images once; when streaming there is nothing to read yet."""
        if not self.streams:
            # Past `ImageDataset`: `train_size` has chosen among the files.
            super(ImageDataset, self).setup(stage)

    def load(self) -> dict[Split, dict[str, Tensor]]:
        """Decodes every image, in threads (Pillow's decoders let go of the interpreter lock)."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return {split: self.decoded(pool, samples) for split, samples in self.samples.items()}

    def decoded(self, pool: ThreadPoolExecutor, samples: list[Sample]) -> dict[str, Tensor]:
        """The columns of one split."""
        rows = torch.empty(len(samples), self.pixels.size, dtype=torch.uint8)
        good = torch.ones(len(samples), dtype=torch.bool)

        def read(index: int) -> None:
            try:
                rows[index] = self.pixels.checked(samples[index][0], SKIP)
            except ValueError:
                if not self.skip_unreadable:
                    raise
                good[index] = False

        list(pool.map(read, range(len(samples))))
        if bad := int((~good).sum()):
            print(f"left out {bad} unreadable of {len(samples)} images")
        labels = torch.tensor([label for _, label in samples])
        return {"image": rows[good], "label": labels[good]}

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Batches from memory, or from disk when streaming."""
        if not self.streams:
            return super().loader(split, shuffle=shuffle, every_rank=every_rank)
        order = self.order(len(self.samples[split]), shuffle=shuffle, every_rank=every_rank)
        return Stream(ImageFiles(self.samples[split], self.pixels), order, self.workers)

    def rows(self) -> dict[str, int]:
        """Split -> its number of images; of those that are read, where unreadable ones are left out."""
        return super().rows() or {split: len(samples) for split, samples in self.samples.items()}

    def digest(self) -> str:
        """A hash of the pixels; of names, sizes and classes where the images are streamed, which reads none of them."""
        if self.columns:
            return super().digest()
        listed = [
            (split, str(path.relative_to(self.root)), path.stat().st_size, label)
            for split in SPLITS
            for path, label in self.samples[split]
        ]
        return hashlib.blake2b(repr(listed).encode(), digest_size=16).hexdigest()


class ImageFiles(TorchDataset[dict[str, Tensor]]):
    """Reads whole batches: an item is the batch of the rows that it is asked for."""

    def __init__(self, samples: list[Sample], pixels: ImageReader) -> None:
        self.samples, self.pixels = samples, pixels

    def __getitem__(self, rows: Tensor) -> dict[str, Tensor]:
        chosen = [self.samples[i] for i in rows.tolist()]
        images = torch.stack([self.pixels.checked(path) for path, _ in chosen])
        return {"image": images, "label": torch.tensor([label for _, label in chosen])}


class Stream(DataLoader[dict[str, Tensor]]):
    """A DataLoader over the batches of an `Order`, which can be resumed inside an epoch."""

    def __init__(self, files: ImageFiles, order: Order, workers: int) -> None:
        super().__init__(
            files, batch_size=None, sampler=order, num_workers=workers, pin_memory=torch.cuda.is_available()
        )
        self.order = order

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # Lazy, as in Batches: the epoch is set after the iterator is made.
        yield from super().__iter__()

    def state_dict(self) -> dict[str, int]:
        """See `Batches.state_dict`."""
        return {"batch": self.order.start}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """See `Batches.load_state_dict`."""
        self.order.start = state["batch"]


def folders_in(folder: Path) -> list[str]:
    """The names of the visible folders in `folder`, sorted."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def image_files(folder: Path, names: list[str]) -> list[Sample]:
    """(path, class) of every image file under `folder/<class>/`.

    Raises:
        ValueError: a class has none, or the folder has a class that training does not.
    """
    if unknown := set(folders_in(folder)) - set(names):
        raise ValueError(f"{folder} has a class that the training images do not: {', '.join(sorted(unknown))}")
    samples: list[Sample] = []
    for label, name in enumerate(names):
        paths = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in IMAGES and p.is_file())
        if not paths:
            raise ValueError(
                f"the class folder {folder / name} has no images ({', '.join(sorted(IMAGES))}): add some, or remove it"
            )
        samples += [(path, label) for path in paths]
    return samples
