"""Tables that are looked up and nothing else, in whatever numbers they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from embloom.assembly.parameters import choices, positive_integers
from embloom.encoders.base import Encoder

DTYPES = {"uint8": torch.uint8, "float16": torch.float16, "float32": torch.float32}


class StoredTables(Encoder):
    """Rows by their numbers, of tables that a larger encoder once had: what `embloom compress` leaves of it. The rows
    are codes, and what comes after the encoder makes vectors of them.

    Args:
        tables: layer -> its rows, their width, and `uint8`, `float16` or `float32`.

    Raises:
        ValueError: one is described otherwise.
    """

    def __init__(self, tables: Mapping[str, Sequence[int | str]]) -> None:
        super().__init__()
        self.names: dict[str, str] = {}
        self.sizes = {}
        for number, (layer, about) in enumerate(tables.items()):
            if not isinstance(about, (list, tuple)) or len(about) != 3:
                raise ValueError(f"tables={layer}: it must say rows, width and kind of number")
            count, width, dtype = about
            positive_integers(rows=count, width=width)
            choices(DTYPES, dtype=dtype)
            self.names[layer], self.sizes[layer] = f"codes_{number}", int(width)
            self.register_buffer(f"codes_{number}", torch.zeros(int(count), int(width), dtype=DTYPES[str(dtype)]))
        if not self.names:
            raise ValueError("tables={}: there must be one")

    def tables(self) -> dict[str, Tensor]:
        """All of them."""
        return {layer: self.get_buffer(name) for layer, name in self.names.items()}

    def activations(self) -> list[str]:
        """None: what it returns of a batch are rows of the tables."""
        return []

    def forward(self, row: Tensor) -> dict[str, Tensor]:
        """Numbers of rows, of any shape -> layer -> those rows."""
        return {layer: table[row] for layer, table in self.tables().items()}
