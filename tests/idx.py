"""Writes small files in MNIST's format (http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import struct
from pathlib import Path

import torch
from torch import Tensor


def write_idx(path: Path, values: Tensor) -> None:
    """Unsigned bytes (type 8) of any shape."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.to(torch.uint8).contiguous().numpy().tobytes())


def write_mnist(root: Path, train: int = 90, test: int = 20, variant: str = "MNIST") -> dict[str, Tensor]:
    """Both parts under `root/<variant>/raw`; the first two pixels of a picture are its number, the third its label."""
    raw = root / variant / "raw"
    raw.mkdir(parents=True)
    written: dict[str, Tensor] = {}
    for name, count in (("train", train), ("t10k", test)):
        images = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        labels = torch.arange(count) % 10
        images[:, 0, 0], images[:, 0, 1], images[:, 0, 2] = torch.arange(count) // 256, torch.arange(count), labels
        write_idx(raw / f"{name}-images-idx3-ubyte", images)
        write_idx(raw / f"{name}-labels-idx1-ubyte", labels)
        written[name] = images
    return written
