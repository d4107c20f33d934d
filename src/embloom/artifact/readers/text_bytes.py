"""Texts to the bytes that they are written with, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.readers.text import TextReader


class TextBytesReader(TextReader):
    """Turns texts into their bytes in UTF-8, as they are: neither cut into words nor folded.

    Args:
        keys: none.
    """

    kind = "text"

    def __init__(self, keys: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__()

    def options(self) -> dict[str, Any]:
        """None: bytes are bytes."""
        return {}

    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """Three texts of three, one and two bytes."""
        return {"token": (torch.arange(65, 71), {0: "bytes"}), "length": (torch.tensor([3, 1, 2]), {0: "batch"})}

    def __call__(self, inputs: Iterable[str]) -> dict[str, Tensor]:
        """Texts -> `token`, the bytes (T,) of all of them, uint8, and `length`, how many each has (N,)."""
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        if odd := next((text for text in texts if not isinstance(text, str)), None):
            raise ValueError(f"texts are strings, and one of these is {type(odd).__name__}")
        data = [text.encode(errors="replace") for text in texts]
        token = np.frombuffer(bytearray(b"".join(data)), np.uint8)
        return {"token": torch.from_numpy(token), "length": torch.tensor([len(one) for one in data], dtype=torch.int64)}

    def restored(self, rows: Tensor) -> list[str]:
        """Bytes (N, L), -1 behind the end of a text -> the texts; a character that was cut in two is left out."""
        return [bytes(row[row >= 0].tolist()).decode(errors="ignore") for row in rows.clamp_max(255).int()]
