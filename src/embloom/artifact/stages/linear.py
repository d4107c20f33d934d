"""A linear map, after a shift: principal components, rotations into another space, least squares."""

from __future__ import annotations

import torch
from torch import Tensor

from embloom.artifact.stages.base import Stage


class Linear(Stage):
    """x -> (x - center) weight + offset.

    Args:
        takes: the width before.
        gives: the width after.
    """

    center: Tensor
    weight: Tensor
    offset: Tensor

    def __init__(self, takes: int, gives: int) -> None:
        super().__init__(takes, gives)
        self.register_buffer("center", torch.zeros(takes))
        self.register_buffer("weight", torch.zeros(takes, gives))
        self.register_buffer("offset", torch.zeros(gives))

    def forward(self, rows: Tensor) -> Tensor:
        """(..., takes) -> (..., gives)."""
        return (rows - self.center) @ self.weight + self.offset

    @classmethod
    def of(cls, center: Tensor, weight: Tensor, offset: Tensor) -> Linear:
        """The map with these weights: (takes,), (takes, gives), (gives,)."""
        made = cls(*weight.shape)
        made.center, made.weight, made.offset = center.float(), weight.float().contiguous(), offset.float()
        return made
