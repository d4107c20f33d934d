"""What is known of items to the features that an encoder of people and items takes, so that new ones have vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.readers.base import Part
from embloom.artifact.readers.cells import Codes, numbers_of
from embloom.artifact.readers.table import NUMERIC, TableReader, placed
from embloom.files.table_parts import Cells, TableSource

MISSING = "missing"
SEVERAL = "|"


class AttributesReader(TableReader):
    """Turns rows of a table of items into `item_features`.

    Numbers are less their mean in training, over its standard deviation, and 0 where one is missing; each category has
    a column, 1 where a row has it. What was not in training is 0 everywhere.

    Args:
        columns: `{"name": ..., "kind": "numeric", "mean": ..., "std": ..., "missing": False}` or `{"name": ..., "kind":
            "categorical", "categories": [...], "several": whether bars stand between categories}`.
        key: the column of ids, by which rows are called where a table has it.
    """

    kind = "attributes"

    def __init__(self, columns: Sequence[Mapping[str, Any]], key: str = "") -> None:
        super().__init__(columns)
        self.key = key

    def options(self) -> dict[str, Any]:
        """The columns, and that of the ids."""
        return {"columns": self.columns, "key": self.key}

    def tensors(self, cells: Mapping[str, Cells], place: Callable[[int], str]) -> dict[str, Tensor]:
        """Cells by column -> `item_features` (N, width)."""
        parts = []
        for column in self.columns:
            found = cells[column["name"]]
            if column["kind"] == NUMERIC:
                numbers = numbers_of(found, column["name"], place)
                scaled = (numbers - column["mean"]) / column["std"]
                parts.append(np.where(np.isnan(numbers), 0, scaled)[:, None])
            else:
                codes = Codes()
                rows = codes.of(found)
                parts.append(many_hot(codes.texts, column)[rows])
        return {"item_features": torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))}

    def parts(self, table: TableSource, size: int) -> Iterator[Part]:
        """Features, a part at a time; rows are called by their ids."""
        named = self.key in table.names
        for part in table.parts([*self.names, *([self.key] if named else [])], size):
            numbers = range(part.start, part.start + part.count)
            names = [id_of(cell) for cell in part.columns[self.key]] if named else [str(row) for row in numbers]
            yield Part(names, self.tensors(part.columns, placed(table, part.start)))

    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """Three rows."""
        return {"item_features": (torch.rand(3, self.width), {0: "batch"})}


def many_hot(texts: Sequence[str], column: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(texts, categories), 1 where a text names a category."""
    number = {name: place for place, name in enumerate(column["categories"])}
    hot = np.zeros((max(1, len(texts)), len(number)), np.float32)
    for row, text in enumerate(texts):
        for name in categories_in(text, column["several"]):
            if name in number:
                hot[row, number[name]] = 1
    return hot


def categories_in(text: str, several: bool) -> list[str]:
    """The categories that a cell names, `missing` where it is empty."""
    names = map(str.strip, text.split(SEVERAL)) if several else [text]
    return list(dict.fromkeys(filter(None, names))) or [MISSING]


def id_of(cell: Any) -> str:
    """A cell as the name of a row: 1.0 is 1."""
    return f"{cell:.0f}" if isinstance(cell, float) else str(cell).strip()
