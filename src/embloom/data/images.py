"""What all picture datasets share: pixel rows in memory as bytes, turned to floats on the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from embloom.artifact.readers.image import Pixels
from embloom.data.base import Dataset
from embloom.seeding import generator


class ImageDataset(Dataset):
    """Pictures with one class label: columns `image` and `clean` (float rows in 0..1 after `transform`), and `label`.

    Args:
        side: pictures become side x side pixels.
        channels: see `Pixels`.
        fit: see `Pixels`.
        noise: standard deviation of noise that is added to every pixel in training, in units of the brightest.
        mask: probability of blackening a pixel in training (Vincent et al. 2008); an autoencoder learns to
            restore what either of the two destroyed.
        split_seed: draws the held-out parts; apart from `seed`, so that runs with other seeds are scored on
            the same samples.
    """

    labels: tuple[str, ...] = ("label",)

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
    ) -> None:
        super().__init__(batch_size, resident, seed)
        self.pixels = Pixels(side, channels, fit)
        self.split_seed = split_seed
        if not noise >= 0 or not 0 <= mask < 1:
            raise ValueError(
                f"dataset.noise={noise}, dataset.mask={mask}: noise must be at least 0, mask within 0 and 1"
            )
        self.noise, self.mask = noise, mask
        self.image_shape = self.pixels.shape
        self.sizes = {"image": self.pixels.size, "clean": self.pixels.size, "label": 0}

    def named_classes(self, names: list[str]) -> None:
        """Says what the classes are called, and so how many there are."""
        self.names = {"label": names}
        self.sizes["label"] = len(names)

    def permutation(self, count: int) -> Tensor:
        """A fixed order of `count` samples to cut held-out parts from."""
        return torch.randperm(count, generator=generator(self.split_seed))

    def transform(self, batch: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        """Bytes to floats in 0..1; `image` with the noise, `clean` without, the same where there is none."""
        clean = image = batch["image"].float().div_(255)
        if training and self.noise:
            image = image + self.noise * torch.randn_like(image)
        if training and self.mask:
            image = image * (torch.rand_like(image) >= self.mask)
        return {**batch, "image": image, "clean": clean}

    def inputs(self) -> dict[str, Any]:
        """The `Pixels` that made the rows."""
        return {"image": {"side": self.pixels.side, "channels": self.pixels.channels, "fit": self.pixels.fit}}


def held_out(size: int, count: int, key: str) -> int:
    """Checks the size of a held-out part against the number of samples.

    Raises:
        ValueError: it leaves nothing on one side.
    """
    if not isinstance(size, int) or not 0 < size < count:
        raise ValueError(f"dataset.{key}={size}: it must be a whole number between 1 and {count - 1}")
    return size
