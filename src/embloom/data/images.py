"""What all image datasets share: pixel rows in memory as bytes, turned to floats on the device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.readers.image import ImageReader
from embloom.assembly.build import build
from embloom.assembly.parameters import integers, numbers, positive_integers
from embloom.data.augment import Augment
from embloom.data.base import Batch, Phase, Split
from embloom.data.in_memory import InMemoryDataset
from embloom.data.splits import balanced
from embloom.seeding import generator

# What makes views differ: with several, held-out samples are seen through it too.
VARIED = ("noise", "mask", "augment")


class ImageDataset(InMemoryDataset):
    """Images with one class label: columns `image` and `clean` (float rows in 0..1 after `transform`), and `label`.
    `features` is the image too, for encoders that take rows of any kind.

    With two `views`, a batch of B images has 2B rows in training and for the loss of held-out samples: all images
    once, then once more, each row augmented by itself. The column `sample` says which rows are views of one image;
    labels are repeated. Batches of held-out samples are then as large as those of training, since a view is compared
    with the rest of its batch. Probes and artifacts see each image once, as it is.

    Args:
        side: images become side x side pixels.
        channels: see `ImageReader`.
        fit: see `ImageReader`.
        split_seed: draws the held-out parts and what `train_size` leaves; apart from `seed`, so that runs with other
            seeds are scored on the same samples.
        noise: standard deviation of noise that is added to every pixel in training, in units of the brightest.
        mask: probability of blackening a pixel in training (Vincent et al. 2008); an autoencoder learns to
            restore what either of the two destroyed.
        train_size: train on only so many images, as many of each class; null is all. Held-out samples stay the same.
        views: how many views of each image a loss compares; 1 is ordinary training.
        augment: changes of the images in training, see `Augment`; `clean` shows them too.
        classes: only the images of these classes, in every split; null is all.

    Raises:
        ValueError: an option is out of range, or nothing makes several views differ.
    """

    labels: tuple[str, ...] = ("label",)
    training_only: tuple[str, ...] = ("batch_size", "seed", "train_size", *VARIED)

    def __init__(
        self,
        batch_size: int,
        side: int = 32,
        channels: str = "gray",
        fit: str = "resize",
        resident: bool | str = "auto",
        seed: int = 0,
        split_seed: int = 0,
        noise: float = 0.0,
        mask: float = 0.0,
        train_size: int | None = None,
        views: int = 1,
        augment: Mapping[str, Any] | None = None,
        classes: Sequence[str | int] | None = None,
    ) -> None:
        super().__init__(batch_size, resident, seed)
        self.reader = self.pixels = ImageReader(side, channels, fit)
        integers(0, split_seed=split_seed)
        self.split_seed = split_seed
        numbers(at_least=0, noise=noise)
        numbers(at_least=0, below=1, mask=mask)
        self.noise, self.mask = noise, mask
        self.supplies["image_shape"] = self.pixels.shape
        size = self.pixels.size
        self.sizes = {"image": size, "features": size, "clean": size, "label": 0}
        positive_integers(views=views, **({} if train_size is None else {"train_size": train_size}))
        self.views, self.train_size = views, train_size
        self.classes, self.chosen = classes, list[int]()
        self.augment = build(augment or {}, Augment, where="dataset.augment", cls=Augment)
        if views > 1:
            self.compare_views()

    def compare_views(self) -> None:
        """Announces the column `sample`, and that what makes views changes the loss of held-out samples.

        Raises:
            ValueError: all views are equal.
        """
        if not (self.augment.changes or self.noise or self.mask):
            raise ValueError(
                f"views={self.views}: nothing makes them differ: add dataset.augment.crop=0.3, "
                "dataset.augment.rotation=15 and the like"
            )
        self.sizes["sample"] = 1
        self.training_only = tuple(name for name in self.training_only if name not in ("batch_size", *VARIED))

    def named_classes(self, names: list[str]) -> None:
        """Says what the classes are called, and so how many there are.

        Raises:
            ValueError: one that is wanted is not there, or fewer than two are.
        """
        if self.classes is not None:
            wanted = [str(name) for name in self.classes]
            if len(set(wanted)) < 2 or not set(wanted) <= set(names):
                raise ValueError(f"classes={wanted}: name two or more of {', '.join(names)}")
            self.chosen = [names.index(name) for name in wanted]
            names = wanted
        self.names = {"label": names}
        self.sizes["label"] = len(names)

    def permutation(self, count: int) -> Tensor:
        """A fixed order of `count` samples to cut held-out parts from."""
        return torch.randperm(count, generator=generator(self.split_seed))

    def setup(self, stage: str | None = None) -> None:
        """Reads the data once, and leaves `train_size` training images."""
        new = not self.columns
        super().setup(stage)
        if new and self.train_size is not None:
            train = self.columns["train"]
            rows = self.few(train[self.labels[0]])
            self.columns["train"] = {name: column[rows] for name, column in train.items()}

    def check_columns(self, splits: Mapping[Split, Mapping[str, Tensor]]) -> None:
        """Leaves out other classes, and checks the rest."""
        if self.chosen:
            for split, columns in dict(splits).items():
                numbers = torch.full((int(columns["label"].max()) + 1 + max(self.chosen),), -1)
                numbers[torch.tensor(self.chosen)] = torch.arange(len(self.chosen))
                label = numbers[columns["label"]]
                kept = label >= 0
                left = {name: column[kept] for name, column in {**columns, "label": label}.items()}
                splits[split] = left  # type: ignore[index]
        super().check_columns(splits)

    def few(self, labels: Tensor | Sequence[int]) -> Tensor:
        """The rows of `train_size` images, drawn class by class, ascending.

        Raises:
            ValueError: there are not so many.
        """
        labels = torch.as_tensor(labels)
        if self.train_size is None or self.train_size > len(labels):
            raise ValueError(f"dataset.train_size={self.train_size}: there are only {len(labels)} training images")
        order = self.permutation(len(labels))
        return order[balanced(labels[order], self.train_size, int(labels.max()) + 1)].sort().values

    def samples_a_batch(self, count: int, shuffle: bool) -> int:
        """Views are compared within a batch: then all batches, held-out ones too, are of the same size."""
        if self.views == 1:
            return super().samples_a_batch(count, shuffle)
        return math.ceil(count / math.ceil(count / self.batch_size))

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """Bytes to floats in 0..1; `image` with the noise, `clean` without, the same where there is none."""
        columns = {name: column for name, column in batch.items() if name != "image"}
        clean = batch["image"].float().div_(255)
        if self.views > 1:
            columns["sample"] = torch.arange(len(clean), device=clean.device)
        if self.views > 1 and phase != "embed":
            columns = {name: torch.cat([column] * self.views) for name, column in columns.items()}
            clean = clean.repeat(self.views, 1)
        image = clean
        if phase == "train" or (phase == "eval" and self.views > 1):
            if self.augment.changes:
                image = clean = self.augment(clean.unflatten(1, self.pixels.shape)).flatten(1)
            if self.noise:
                image = image + self.noise * torch.randn_like(image)
            if self.mask:
                image = image * (torch.rand_like(image) >= self.mask)
        return {**columns, "image": image, "features": image, "clean": clean}


def held_out(size: int, count: int, key: str) -> int:
    """Checks the size of a held-out part against the number of samples.

    Raises:
        ValueError: it leaves nothing on one side.
    """
    if not isinstance(size, int) or not 0 < size < count:
        raise ValueError(f"{key}={size}: it must be an integer between 1 and {count - 1}")
    return size
