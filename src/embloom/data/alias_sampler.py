"""Draws token ids from a fixed distribution in constant time, on the CPU or a GPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class AliasSampler:
    """Walker's alias method (1977): a fair die, and for each face a coin between it and one other face.

    Args:
        weights: (V,), at least 0 and not all 0; the probabilities up to a factor.
    """

    def __init__(self, weights: NDArray[np.float64]) -> None:
        share = weights * (len(weights) / weights.sum())
        self.log_probability = torch.from_numpy(np.log(np.maximum(share, 1e-30) / len(weights))).float()
        self.threshold, self.alias = (torch.from_numpy(column) for column in _alias_table(share))

    def to(self, device: torch.device) -> AliasSampler:
        """Move the tables; returns itself."""
        self.threshold, self.alias = self.threshold.to(device), self.alias.to(device)
        self.log_probability = self.log_probability.to(device)
        return self

    def draw(self, rows: int, columns: int, generator: torch.Generator | None = None) -> Tensor:
        """Return (rows, columns) numbers below V, drawn on the device of the tables."""
        device, count = self.alias.device, rows * columns
        face = torch.randint(len(self.alias), (count,), device=device, generator=generator)
        coin = torch.rand(count, device=device, generator=generator)
        other = coin >= self.threshold.index_select(0, face)
        return torch.where(other, self.alias.index_select(0, face), face).view(rows, columns)


def _alias_table(share: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """From shares with mean 1: how much of each face is its own, and whose the rest is."""
    rest = share.tolist()
    threshold, alias = np.ones(len(share), np.float32), np.arange(len(share))
    small = [face for face, part in enumerate(rest) if part < 1]
    large = [face for face, part in enumerate(rest) if part >= 1]
    while small and large:
        poor, rich = small.pop(), large[-1]
        threshold[poor], alias[poor] = rest[poor], rich
        rest[rich] -= 1 - rest[poor]
        if rest[rich] < 1:
            small.append(large.pop())
    return threshold, alias
