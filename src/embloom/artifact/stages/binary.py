"""A few hundred bits, which are searched fast; and, where that is wanted, a copy in 8 bits that decides among the
nearest."""

from __future__ import annotations

import torch
from torch import Tensor

from embloom.artifact.stages.base import Quantizer
from embloom.artifact.stages.int8 import Int8
from embloom.assembly.parameters import positive_integers

WORD = 64
MOST_BITS = 512  # that are taken without being asked for
EACH = 4  # bits a number


class Binary(Quantizer):
    """Says on which side of some planes a vector stands (Charikar 2002): each bit is one plane.

    The planes go through zero, so that the share of the bits in which two vectors differ is their angle / pi on
    average. Their directions are those of random rotations, one after the other, so that no two are nearly the same.

    Args:
        width: of the vectors.
        bits: how many, in whole bytes.
        fine: a copy in 8 bits stands behind the bits: a search looks for the vectors that share the most bits, and then
            compares those copies. What the vectors are is what the copies say. Without it they are what is known from
            their bits.

    Attributes:
        planes: (width, bits).
        scale: a number, which gives vectors that are known from their bits the length that they have on average.
    """

    kind = "binary"
    planes: Tensor
    scale: Tensor

    def __init__(self, width: int, bits: int, fine: bool = True) -> None:
        super().__init__(width)
        positive_integers(bits=bits)
        if bits % 8:
            raise ValueError(f"bits={bits}: it must be a multiple of 8")
        self.bits = bits
        self.register_buffer("planes", torch.zeros(width, bits))
        self.register_buffer("scale", torch.ones(()))
        self.fine: Int8 | None = Int8(width) if fine else None

    @classmethod
    def fitted(cls, rows: Tensor, bits: int | None = None, fine: bool = True) -> Binary:
        """The one that suits vectors (N, width); without a number of bits, four for each number, at most 512, and at
        least one for each."""
        width = rows.shape[1]
        made = cls(width, bits or default_bits(width), fine)
        rows = rows.float()
        made.planes = random_planes(width, made.bits)
        signs = made.signs(made.packed(rows))
        seen = signs @ made.planes.T
        made.scale = (rows * seen).sum() / seen.square().sum().clamp_min(1e-30)
        if fine:
            made.fine = Int8.fitted(rows)
        return made

    @property
    def code_width(self) -> int:
        """The bytes of the bits, and those of the copy."""
        return self.bits // 8 + (self.fine.code_width if self.fine is not None else 0)

    def packed(self, rows: Tensor) -> Tensor:
        """(N, width) -> (N, bits / 8), the first bit the lowest of the first byte."""
        above = (rows @ self.planes > 0).to(torch.uint8).view(len(rows), -1, 8)
        return (above * powers(rows.device)).sum(2, dtype=torch.int32).to(torch.uint8)

    def signs(self, packed: Tensor) -> Tensor:
        """(..., bits / 8) -> (..., bits), 1 or -1."""
        return ((packed[..., None] & powers(packed.device)) > 0).flatten(-2).float() * 2 - 1

    def codes(self, rows: Tensor) -> Tensor:
        """See `Quantizer`."""
        found = self.packed(rows)
        return found if self.fine is None else torch.cat([found, self.fine.codes(rows)], 1)

    def decode(self, codes: Tensor) -> Tensor:
        """See `Quantizer`."""
        if self.fine is not None:
            return self.fine.decode(codes[..., self.bits // 8 :])
        return self.signs(codes) @ self.planes.T * self.scale

    def forward(self, rows: Tensor) -> Tensor:
        """See `Quantizer`; without packing."""
        if self.fine is not None:
            found: Tensor = self.fine(rows)
            return found
        above = torch.where(rows @ self.planes > 0, 1.0, -1.0)
        return above @ self.planes.T * self.scale


def default_bits(width: int) -> int:
    """How many bits suit a width, in words of 64."""
    return -(-max(width, min(EACH * width, MOST_BITS)) // WORD) * WORD


def random_planes(width: int, bits: int) -> Tensor:
    """(width, bits): the columns of random rotations side by side, the same each time."""
    draw = torch.Generator().manual_seed(0)
    many = [torch.linalg.qr(torch.randn(width, width, generator=draw))[0] for _ in range(-(-bits // width))]
    return torch.cat(many, 1)[:, :bits].contiguous()


def powers(device: torch.device) -> Tensor:
    """What each bit of a byte counts."""
    return torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=device)
