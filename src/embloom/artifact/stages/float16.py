"""Numbers of 16 bits."""

from __future__ import annotations

import torch
from torch import Tensor

from embloom.artifact.stages.base import Quantizer

LARGEST = 65504.0


class Float16(Quantizer):
    """Half precision: eleven bits of each number count. What is larger than 65,504 becomes that.

    Args:
        width: of the vectors.
    """

    kind = "float16"
    dtype = torch.float16

    @property
    def code_width(self) -> int:
        """One for each number."""
        return self.takes

    def codes(self, rows: Tensor) -> Tensor:
        """See `Quantizer`."""
        return rows.clamp(-LARGEST, LARGEST).half()

    def decode(self, codes: Tensor) -> Tensor:
        """See `Quantizer`."""
        return codes.float()
