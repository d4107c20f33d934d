"""Texts as the numbers of their bytes: the baseline that holds all the information, and nothing is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import positive_integers
from embloom.encoders.base import Encoder

VALUES = 256


class Bytes(Encoder):
    """One number for each byte of a text, (byte + 1) / 256, and 0 behind its end; `decode` has the bytes back exactly.

    Args:
        sizes: the dataset's, of which `token` is 256.
        length: bytes a text; longer texts are cut, shorter ones padded.

    Raises:
        ValueError: the dataset has no bytes, or the length is no positive integer.
    """

    def __init__(self, sizes: Mapping[str, int], length: int = 1024) -> None:
        super().__init__()
        if sizes.get("token") != VALUES or "length" not in sizes:
            raise ValueError("encoder=bytes reads bytes: choose dataset=text_bytes")
        positive_integers(length=length)
        self.length = length
        self.sizes = {"embedding": length}

    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """There is nothing to compute."""

    def forward(self, token: Tensor, length: Tensor) -> dict[str, Tensor]:
        """Bytes of all texts in a row (T,) and how many each text has (B,) -> `embedding` (B, L)."""
        text = torch.repeat_interleave(length, output_size=len(token))
        place = torch.arange(len(token), device=token.device) - (length.cumsum(0) - length)[text]
        kept = place < self.length
        found = torch.zeros(len(length), self.length, device=token.device)
        found[text[kept], place[kept]] = (token[kept].float() + 1) / VALUES
        return {"embedding": found}

    def decode(self, embedding: Tensor) -> Tensor:
        """(B, L) -> bytes (B, L), -1 behind the end of a text."""
        return (embedding * VALUES).round().clamp(0, VALUES) - 1
