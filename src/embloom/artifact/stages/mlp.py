"""A linear map with a small network beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embloom.artifact.stages.base import Stage
from embloom.assembly.parameters import positive_integers


class MLP(Stage):
    """x -> z linear + offset + gelu(z first + bias) second, of z = (x - center) / scale.

    Args:
        takes: the width before.
        gives: the width after.
        hidden: the width of the network's hidden layer.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, takes: int, gives: int, hidden: int = 256) -> None:
        super().__init__(takes, gives)
        positive_integers(hidden=hidden)
        self.hidden = hidden
        self.register_buffer("center", torch.zeros(takes))
        self.register_buffer("scale", torch.ones(()))
        self.linear = nn.Linear(takes, gives)
        self.first = nn.Linear(takes, hidden)
        self.second = nn.Linear(hidden, gives, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        """(..., takes) -> (..., gives)."""
        small = (rows - self.center) / self.scale
        found: Tensor = self.linear(small) + self.second(nn.functional.gelu(self.first(small)))
        return found
