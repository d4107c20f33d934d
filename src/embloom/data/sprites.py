"""Many small images in one."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def grid(images: Tensor, side: int) -> tuple[Any, int, tuple[int, int]]:
    """Images in rows of a square.

    Args:
        images: (N, C, H, W) in 0..1; of other than 1 or 3 channels the first is shown.
        side: larger ones are scaled down to this.

    Returns:
        bytes (rows * h, columns * w) or (..., 3), the number of columns, and (h, w).
    """
    if images.shape[1] not in (1, 3):
        images = images[:, :1]
    if max(images.shape[2:]) > side:
        scale = side / max(images.shape[2:])
        size = [max(1, round(length * scale)) for length in images.shape[2:]]
        images = F.interpolate(images, size, mode="area")
    count, channels, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    padded = torch.zeros(rows * columns, channels, height, width)
    padded[:count] = images
    image = padded.reshape(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    content = (image.reshape(rows * height, columns * width, channels) * 255).round().byte().numpy()
    return content[..., 0] if channels == 1 else content, columns, (height, width)
