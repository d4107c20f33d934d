"""The first numbers of a vector."""

from __future__ import annotations

from torch import Tensor

from embloom.artifact.stages.base import Stage


class First(Stage):
    """Leaves all but the first numbers out, of vectors that were trained for it (Kusupati et al. 2022).

    Args:
        takes: the width before.
        gives: the width after.

    Raises:
        ValueError: that is more.
    """

    def __init__(self, takes: int, gives: int) -> None:
        super().__init__(takes, gives)
        if gives > takes:
            raise ValueError(f"gives={gives}: a vector of {takes} numbers has no more")

    def forward(self, rows: Tensor) -> Tensor:
        """(..., takes) -> (..., gives)."""
        return rows[..., : self.gives]
