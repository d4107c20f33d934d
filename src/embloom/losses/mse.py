"""Mean squared error."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from embloom.losses.base import Classifier


class MSE(Classifier):
    """The mean squared difference; class numbers as targets are compared as one-hot rows (Brier score).

    Regressing one-hot rows is least-squares classification (Bishop 2006, section 4.1.3).

    Args:
        sizes: of `input` and `target`, which must agree.

    Raises:
        ValueError: they do not.

    Example:
        >>> loss = MSE({"input": 2, "target": 2})
        >>> loss(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 0.5]])).item()
        0.125
        >>> loss(torch.tensor([[0.0, 1.0]]), torch.tensor([1])).item()  # class 1 as a row is 0, 1
        0.0
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        if "input" in sizes and "target" in sizes and sizes["input"] != sizes["target"]:
            raise ValueError(
                f"mse compares equal widths, but its input has {sizes['input']} and its target {sizes['target']}: "
                f"let the encoder end in {sizes['target']}, e.g. encoder.layers=...-{sizes['target']} or ...-auto"
            )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Input (B, D); target (B, D), or (B,) class numbers below D -> scalar."""
        if not target.is_floating_point() and target.ndim == input.ndim - 1:
            target = F.one_hot(target, input.shape[1]).to(input.dtype)
        return F.mse_loss(input, target)

    def scores(self, input: Tensor) -> Tensor:
        """The regressed one-hot rows: (B, classes)."""
        return input
