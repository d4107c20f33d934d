"""The 1,797 real handwritten digits that scikit-learn brings along (UCI Optical Recognition, 1998)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from embloom.data.base import Split
from embloom.data.images import ImageDataset, held_out

COUNT = 1797


class Digits(ImageDataset):
    """8x8 digits of 17 gray levels, scaled to side x side; needs no network.

    Args:
        val_size: samples held out for validation.
        test_size: samples held out for the end.
        options: see `ImageDataset`.
    """

    def __init__(self, batch_size: int, val_size: int = 180, test_size: int = 360, **options: Any) -> None:
        super().__init__(batch_size, **options)
        self.named_classes([str(digit) for digit in range(10)])
        self.test_size = held_out(test_size, COUNT, "test_size")
        self.val_size = held_out(val_size, COUNT - test_size, "val_size")

    def load(self) -> dict[Split, dict[str, Tensor]]:
        """Reads the bundled file and cuts it by a fixed permutation."""
        from sklearn.datasets import load_digits

        bundle = load_digits()
        images = (torch.from_numpy(bundle.images) * (255 / 16)).round().to(torch.uint8)
        rows, labels = self.pixels.rows(images), torch.from_numpy(bundle.target).long()
        test, val, train = self.permutation(COUNT).split(
            [self.test_size, self.val_size, COUNT - self.test_size - self.val_size]
        )
        parts: dict[Split, Tensor] = {"train": train, "val": val, "test": test}
        return {split: {"image": rows[part], "label": labels[part]} for split, part in parts.items()}
