"""What the callbacks that show images share; no callback itself."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from embloom.callbacks.base import Training


def image_shape(run: Training) -> tuple[int, int, int] | None:
    """(channels, height, width) of the dataset's images, None where it has none."""
    shape = run.dataset.supplies.get("image_shape")
    return None if shape is None or "image" not in run.dataset.sizes else (shape[0], shape[1], shape[2])


def interleaved(rows: list[Tensor], columns: int, shape: tuple[int, int, int]) -> Tensor:
    """Images (N, features) of several kinds -> one (channels, H, W): a line of each kind in turn."""
    from torchvision.utils import make_grid

    lines = [kind[i : i + columns] for i in range(0, len(rows[0]), columns) for kind in rows]
    images = torch.cat(lines).reshape(-1, *shape)
    grid: Tensor = make_grid(images, nrow=min(columns, len(rows[0])), padding=2, pad_value=0.5)
    return grid


def save_png(image: Tensor, path: Path) -> None:
    """(channels, H, W), 0..1 -> a PNG file."""
    from torchvision.utils import save_image

    path.parent.mkdir(exist_ok=True)
    save_image(image, path)
