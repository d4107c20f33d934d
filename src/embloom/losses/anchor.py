"""The price of moving away from where weights began."""

from __future__ import annotations

from torch import Tensor, nn


class Anchor(nn.Module):
    """The mean squared distance of the rows that were started to where they began (L2-SP, Li et al. 2018, equation 3,
    as a mean over rows instead of half a sum).

    Its one tensor is made by the run, which knows where they began; `init_from.anchor` is its weight.

    Example:
        >>> import torch
        >>> Anchor()(torch.tensor(0.25)).item()
        0.25
    """

    def forward(self, moved: Tensor) -> Tensor:
        """The distance, a scalar -> the same."""
        return moved
