"""MNIST and the datasets made in its likeness, through torchvision's loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from embloom.assembly.parameters import choices
from embloom.data.base import Split
from embloom.data.images import ImageDataset, held_out

TRAIN_COUNT = 60_000
CLASSES = {
    "MNIST": [str(digit) for digit in range(10)],
    "FashionMNIST": [
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ],
}  # fmt: skip


class MNIST(ImageDataset):
    """60,000 + 10,000 images of 28x28, padded to side x side (LeCun et al. 1998; Xiao et al. 2017).

    Args:
        root: where `<variant>/raw/` lies or is to be downloaded to.
        variant: `MNIST` or `FashionMNIST`.
        val_size: training images held out for validation; the test set is touched only at the end.
        download: fetch the files where they are absent.
        options: see `ImageDataset`.
    """

    no_effect = ("resident", "download")

    def __init__(
        self,
        batch_size: int,
        root: str,
        variant: str = "MNIST",
        val_size: int = 5000,
        download: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(batch_size, **{"fit": "pad", **options})
        choices(CLASSES, variant=variant)
        self.named_classes(CLASSES[variant])
        self.root, self.variant, self.download = Path(str(root)), variant, download
        self.val_size = held_out(val_size, TRAIN_COUNT, "val_size")

    def opened(self, train: bool) -> Any:
        """torchvision's dataset.

        Raises:
            ValueError: the files are absent or broken, and cannot be downloaded.
        """
        import torchvision

        cls = getattr(torchvision.datasets, self.variant)
        try:
            return cls(self.root, train=train, download=self.download)
        except Exception as error:  # torchvision asserts and indexes its way through broken files
            raw = self.root / self.variant / "raw"
            reason = (str(error) or "a file is damaged").splitlines()[0]
            raise ValueError(
                f"{self.variant} is not complete under {raw} and could not be downloaded ({reason}): check the "
                "network, or put its four *-ubyte files there, or point dataset.root=... at a folder that has them"
            ) from error

    def load(self) -> dict[Split, dict[str, Tensor]]:
        """Reads both files and holds a part of the training set out by a fixed permutation."""
        train, test = self.opened(train=True), self.opened(train=False)
        rows, labels = self.pixels.rows(train.data), train.targets.long()
        held_out(self.val_size, len(rows), "dataset.val_size")
        val, rest = self.permutation(len(rows)).split([self.val_size, len(rows) - self.val_size])
        return {
            "train": {"image": rows[rest], "label": labels[rest]},
            "val": {"image": rows[val], "label": labels[val]},
            "test": {"image": self.pixels.rows(test.data), "label": test.targets.long()},
        }
