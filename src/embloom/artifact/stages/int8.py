"""Numbers of 8 bits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from embloom.artifact.stages.base import Quantizer
from embloom.assembly.parameters import choices

PER = ("row", "dimension")
LEVELS = 255
EITHER = 127
BLOCK = 32  # numbers, at most, that share a scale
SMALLEST = 1e-30


class Int8(Quantizer):
    """Each number is one of 256 steps.

    Args:
        width: of the vectors.
        per: `row`: what is left of a vector without the mean of all is split into blocks of at most 32 numbers, each
            with steps of its own, 127 either way up to its largest number; that takes two bytes a block more.
            `dimension`: the steps of each dimension lie between its smallest and its largest number, and what is
            outside is moved there.

    Raises:
        ValueError: `per` is neither.
    """

    kind = "int8"
    low: Tensor
    step: Tensor

    def __init__(self, width: int, per: str = "row") -> None:
        super().__init__(width)
        choices(PER, per=per)
        self.per = per
        self.blocks = -(-width // BLOCK)
        self.block = -(-width // self.blocks)
        self.register_buffer("low", torch.zeros(width))
        if per == "dimension":
            self.register_buffer("step", torch.ones(width))

    @classmethod
    def fitted(cls, rows: Tensor, per: str = "row") -> Int8:
        """The one that suits vectors (N, width)."""
        made = cls(rows.shape[1], per)
        if per == "dimension":
            made.low = rows.amin(0).float()
            made.step = ((rows.amax(0) - rows.amin(0)) / LEVELS).float().clamp_min(SMALLEST)
        else:
            made.low = rows.float().mean(0)
        return made

    @property
    def code_width(self) -> int:
        """One for each number, and two for each scale."""
        return self.takes + (2 * self.blocks if self.per == "row" else 0)

    def codes(self, rows: Tensor) -> Tensor:
        """See `Quantizer`."""
        if self.per == "dimension":
            return ((rows - self.low) / self.step).round().clamp(0, LEVELS).to(torch.uint8)
        steps, scales = self.split(rows)
        whole = steps.to(torch.int8).flatten(1)[:, : self.takes]
        return torch.cat([whole.view(torch.uint8), scales.bfloat16().view(torch.uint8)], 1)

    def decode(self, codes: Tensor) -> Tensor:
        """See `Quantizer`."""
        if self.per == "dimension":
            return self.low + self.step * codes.float()
        steps = codes[..., : self.takes].contiguous().view(torch.int8)
        scales = codes[..., self.takes :].contiguous().view(torch.bfloat16).float()
        return steps * scales.repeat_interleave(self.block, -1)[..., : self.takes] + self.low

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(..., width) -> steps (..., blocks, block), whole numbers, and their scales (..., blocks)."""
        rest = pad((rows - self.low), (0, self.blocks * self.block - self.takes))
        parts = rest.unflatten(-1, (self.blocks, self.block))
        scales = (parts.abs().amax(-1) / EITHER).clamp_min(SMALLEST).bfloat16().float()
        return (parts / scales[..., None]).round().clamp(-EITHER, EITHER), scales

    def forward(self, rows: Tensor) -> Tensor:
        """See `Quantizer`; without packing."""
        if self.per == "dimension":
            return self.low + self.step * ((rows - self.low) / self.step).round().clamp(0, LEVELS)
        steps, scales = self.split(rows)
        return (steps * scales[..., None]).flatten(-2)[..., : self.takes] + self.low
