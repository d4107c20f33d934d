"""Product quantization: each part of a vector is the nearest of 256."""

from __future__ import annotations

import torch
from torch import Tensor

from embloom.artifact.stages.base import Quantizer
from embloom.assembly.parameters import positive_integers

COUNT = 256
ROWS = 8192  # at a time


class ProductQuantizer(Quantizer):
    """Splits a vector into parts of the same width, and says of each part which of its 256 centers is nearest (Jegou et
    al. 2011). A byte a part. The centers are plain tensors: reading needs no faiss.

    Args:
        width: of the vectors.
        parts: how many.

    Raises:
        ValueError: the width is no multiple of it.
    """

    kind = "pq"
    centers: Tensor

    def __init__(self, width: int, parts: int) -> None:
        super().__init__(width)
        positive_integers(parts=parts)
        if width % parts:
            raise ValueError(f"parts={parts}: {width} numbers cannot be split into so many of the same width")
        self.parts = parts
        self.register_buffer("centers", torch.zeros(parts, COUNT, width // parts))

    @property
    def code_width(self) -> int:
        """A byte a part."""
        return self.parts

    def codes(self, rows: Tensor) -> Tensor:
        """See `Quantizer`."""
        squares = self.centers.square().sum(2)[:, None]
        found = []
        for some in rows.split(ROWS):
            parts = some.reshape(len(some), self.parts, -1).transpose(0, 1)  # (parts, N, width / parts)
            found.append(torch.baddbmm(squares, parts, self.centers.mT, alpha=-2).argmin(2).T.to(torch.uint8))
        return torch.cat(found) if found else torch.empty(0, self.parts, dtype=torch.uint8)

    def decode(self, codes: Tensor) -> Tensor:
        """See `Quantizer`."""
        place = torch.arange(self.parts, device=codes.device)
        return self.centers[place, codes.long()].flatten(-2)
