"""Rows of a table, by the names of its columns, to features: numbers standardized, categories one-hot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.artifact.readers.base import Inputs, Part, Reader
from embloom.artifact.readers.cells import Coded, Codes, Numbers, as_cells, numbers_of
from embloom.files.table_parts import Cells, TableSource, open_table
from embloom.startup import option

NUMERIC, CATEGORICAL = "numeric", "categorical"
Values = Numbers | Coded


class TableReader(Reader):
    """Turns rows into `features`.

    First the numbers, in order: each less its mean, over its standard deviation (0 where that is 0); one that is
    missing is the mean, 0, and where training had missing ones too, another feature after it is 1 for them and else 0.
    Then for each category of each other column 1 where the row is of it, else 0; what was not in training is 0
    everywhere.

    Args:
        columns: `{"name": ..., "kind": "numeric", "mean": ..., "std": ..., "missing": whether training had missing
            ones}` or `{"name": ..., "kind": "categorical", "categories": [...]}`, where '' is what is missing.
    """

    kind = "table"
    example = "[{'column': value, ...}, ...]"

    def __init__(self, columns: Sequence[Mapping[str, Any]]) -> None:
        self.columns = [dict(column) for column in columns]
        self.names = [str(column["name"]) for column in self.columns]
        self.numeric = [column for column in self.columns if column["kind"] == NUMERIC]
        self.categorical = [column for column in self.columns if column["kind"] != NUMERIC]
        self.number_width = sum(1 + bool(column["missing"]) for column in self.numeric)
        self.category_width = sum(len(column["categories"]) for column in self.categorical)
        self.width = self.number_width + self.category_width

    def options(self) -> dict[str, Any]:
        """The columns."""
        return {"columns": self.columns}

    def __call__(self, inputs: Any) -> dict[str, Tensor]:
        """A mapping of columns, a list of rows that are mappings, or a data frame (what has `columns`, and a column by
        `[name]`) -> `features` (N, width) and `clean`, the same."""
        found = {name: as_cells(values, name) for name, values in self.by_name(inputs).items()}
        counts = {name: len(values) for name, values in found.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"the columns have different numbers of rows: {counts}")
        return self.tensors(found, lambda row: "")

    def by_name(self, inputs: Any) -> dict[str, Any]:
        """The columns that it takes.

        Raises:
            ValueError: one is missing.
        """
        if isinstance(inputs, Mapping):
            self.check_there(inputs)
            scalar = all(isinstance(inputs[name], str) or not hasattr(inputs[name], "__len__") for name in self.names)
            return {name: [inputs[name]] if scalar else inputs[name] for name in self.names}
        if hasattr(inputs, "columns"):
            self.check_there(getattr(inputs, "column_names", inputs.columns))  # pyarrow's name for it
            return {name: inputs[name] for name in self.names}
        if isinstance(inputs, (list, tuple)) and all(isinstance(row, Mapping) for row in inputs):
            for row in inputs:
                self.check_there(row)
            return {name: [row[name] for row in inputs] for name in self.names}
        raise ValueError(
            f"give the columns by name, a mapping, a list of mappings or a data frame, of: {', '.join(self.names)}"
        )

    def check_there(self, names: Iterable[Any], where: str = "") -> None:
        """Raises:
        ValueError: a column is missing.
        """
        there = set(names)
        missing = [name for name in self.names if name not in there]
        if missing:
            which = ", ".join(f"'{name}'" for name in missing[:8]) + (", ..." if len(missing) > 8 else "")
            raise ValueError(
                f"{where}the column{'s' if len(missing) > 1 else ''} {which} {'are' if len(missing) > 1 else 'is'} "
                f"missing; there: {', '.join(map(str, names))[:200]}"
            )

    def tensors(self, cells: Mapping[str, Cells], place: Callable[[int], str]) -> dict[str, Tensor]:
        """Cells by column -> `features` and `clean`."""
        values: dict[str, Values] = {}
        for column in self.numeric:
            values[column["name"]] = numbers_of(cells[column["name"]], column["name"], place)
        for column in self.categorical:
            codes = Codes()
            values[column["name"]] = Coded(codes.of(cells[column["name"]]), codes.texts)
        features = self.features(*self.compact(values))
        return {"features": features, "clean": features}

    def compact(self, values: Mapping[str, Values]) -> tuple[Tensor, Tensor]:
        """Values by column -> the features that are numbers, float32 (N, number_width), and for each other column
        which of the remaining features is 1, int32 (N, columns); `category_width` where none is.

        Raises:
            ValueError: a number is too far from those in training.
        """
        some = next(iter(values.values()))
        count = len(some.codes if isinstance(some, Coded) else some)
        numbers = np.empty((count, self.number_width), np.float32)
        place = 0
        for column in self.numeric:
            found = values[column["name"]]
            assert isinstance(found, np.ndarray)
            place = standardized(found, column, numbers, place)
        hot = np.empty((count, len(self.categorical)), np.int32)
        start = 0
        for number, column in enumerate(self.categorical):
            coded = values[column["name"]]
            assert isinstance(coded, Coded)
            hot[:, number] = self.places(coded, column["categories"], start)
            start += len(column["categories"])
        return torch.from_numpy(numbers), torch.from_numpy(hot)

    def places(self, coded: Coded, categories: Sequence[str], start: int) -> NDArray[np.int32]:
        """For each row the feature of its category, the first of which is `start`."""
        known = {text: start + i for i, text in enumerate(categories)}
        place = np.array([known.get(text, self.category_width) for text in coded.texts] or [0], np.int32)
        return place[coded.codes]

    def features(self, numbers: Tensor, hot: Tensor) -> Tensor:
        """What `compact` returns, of any rows and on any device -> float32 (B, width)."""
        if not self.categorical:
            return numbers
        ones = numbers.new_zeros(len(numbers), self.category_width + 1).scatter_(1, hot.long(), 1.0)
        return torch.cat([numbers, ones[:, :-1]], 1)

    def open(self, path: str, column: str | None, size: int) -> Inputs:
        """A CSV, TSV or Parquet file with these columns, in any order, and others."""
        if column is not None:
            raise ValueError(f"{option('column', column)}: this embedding takes whole rows of a table: leave it out")
        table = open_table(Path(path).expanduser())
        self.check_there(table.names, f"{path}: ")
        return Inputs(self.parts(table, size), table.count)

    def parts(self, table: TableSource, size: int) -> Iterator[Part]:
        """Features, a part at a time."""
        for part in table.parts(self.names, size):
            found = self.tensors(part.columns, placed(table, part.start))
            yield Part([str(part.start + i) for i in range(part.count)], found)

    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """Three rows."""
        rows = torch.rand(3, self.width)
        return {"features": (rows, {0: "batch"}), "clean": (rows, {0: "batch"})}


def placed(table: TableSource, start: int) -> Callable[[int], str]:
    """Row of a part that begins at `start` -> the beginning of a message about it."""
    return lambda row: f"{table.place(start + row)}: "


def standardized(found: Numbers, column: Mapping[str, Any], numbers: NDArray[np.float32], place: int) -> int:
    """Fills in the feature `place` of a column of numbers, and the next one where that says what is missing.

    Returns:
        The place after it.

    Raises:
        ValueError: a number does not fit into float32.
    """
    missing = np.isnan(found)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (found - column["mean"]) / column["std"] if column["std"] else np.zeros(len(found))
        numbers[:, place] = np.where(missing, 0, scaled)
    far = ~np.isfinite(numbers[:, place])
    if far.any():
        raise ValueError(
            f"{found[far.argmax()]:g} in the column '{column['name']}' is too far from what training saw: correct it"
        )
    if column["missing"]:
        numbers[:, place + 1] = missing
    return place + 1 + bool(column["missing"])
