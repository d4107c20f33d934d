"""What a stage is: vectors of a layer in, other vectors out, after the encoder; and one that rounds them to codes."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from embloom.assembly.parameters import positive_integers

WIDEST = 1 << 20


class Stage(nn.Module):
    """Maps the vectors of a layer. Derive your own from this: one file, plain options, weights as parameters or
    buffers.

    Args:
        takes: the width of what it is given.
        gives: the width of what it makes of that.

    Attributes:
        rounds: whether what it gives are few different vectors; then it is a `Quantizer`.

    Raises:
        ValueError: a width is no positive integer, or larger than anything.
    """

    rounds: ClassVar[bool] = False

    def __init__(self, takes: int, gives: int) -> None:
        super().__init__()
        positive_integers(takes=takes, gives=gives)
        if max(takes, gives) > WIDEST:
            raise ValueError(f"takes={takes}, gives={gives}: no layer is so wide")
        self.takes, self.gives = takes, gives

    def forward(self, rows: Tensor) -> Tensor:
        """(..., takes) -> (..., gives), float32."""
        raise NotImplementedError


class Quantizer(Stage):
    """A stage that rounds vectors to what a few bytes can say.

    Args:
        width: of the vectors, which stays.

    Attributes:
        kind: what people call it.
        dtype: of its codes.
    """

    rounds = True
    kind: ClassVar[str]
    dtype: ClassVar[torch.dtype] = torch.uint8

    def __init__(self, width: int) -> None:
        super().__init__(width, width)

    @property
    @abstractmethod
    def code_width(self) -> int:
        """How many numbers of `dtype` a code has."""

    @property
    def bytes_each(self) -> int:
        """Bytes of a vector's code."""
        return self.code_width * self.dtype.itemsize

    @abstractmethod
    def codes(self, rows: Tensor) -> Tensor:
        """(N, width) -> (N, code_width)."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """(..., code_width) -> (..., width), float32."""

    def forward(self, rows: Tensor) -> Tensor:
        """What is left of vectors (..., width) in their codes."""
        return self.decode(self.codes(rows.flatten(0, -2))).view(rows.shape)
