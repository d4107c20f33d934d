"""Rows of numbers: the reader of every dataset that brings none of its own."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.readers.base import Inputs, Part, Reader, as_numbers, in_parts
from embloom.files.finding import opened
from embloom.files.tables import cells

DTYPES = {"float32": torch.float32, "int64": torch.int64}


class ColumnsReader(Reader):
    """Columns of numbers, by name.

    In Python: a mapping from column to numbers (N,) or (N, width), or, where there is one column only, its rows. In a
    CSV file: the cells of a row are the numbers of all columns, in order, with or without a line of names; where names
    are given (`user`, `features_0`, `features_1`), they say which cell is which. A column whose rows have names takes
    those too.

    Args:
        columns: column -> `{"width": numbers in a row, or null for one number a sample, "dtype": float32 or int64}`.
        keys: column -> what its numbers are called.
    """

    kind = "columns"

    def __init__(
        self, columns: Mapping[str, Mapping[str, Any]], keys: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.columns = {name: dict(about) for name, about in columns.items()}
        self.number = {name: {key: i for i, key in enumerate(names)} for name, names in (keys or {}).items()}

    def options(self) -> dict[str, Any]:
        """The columns."""
        return {"columns": self.columns}

    def __call__(self, inputs: Any) -> dict[str, Tensor]:
        """See the class."""
        if not isinstance(inputs, Mapping):
            if len(self.columns) != 1:
                raise ValueError(f"give the inputs by name, a mapping of: {', '.join(self.columns)}")
            inputs = {next(iter(self.columns)): inputs}
        missing = [name for name in self.columns if name not in inputs]
        if missing:
            raise ValueError(f"the input '{missing[0]}' is missing; it takes: {', '.join(self.columns)}")
        return {name: self.column(name, inputs[name]) for name in self.columns}

    def column(self, name: str, values: Any) -> Tensor:
        """One column's numbers, checked.

        Raises:
            ValueError: they do not fit, or a name is unknown.
        """
        width, dtype = self.columns[name]["width"], DTYPES[self.columns[name]["dtype"]]
        if name in self.number and isinstance(values, (list, tuple)) and any(isinstance(v, str) for v in values):
            values = [self.named(name, str(value)) for value in values]
        given = as_numbers(name, values)
        column = given.to(dtype)
        if (width is None and column.ndim != 1) or (width is not None and column.shape[1:] != (width,)):
            shape = "(N,)" if width is None else f"(N, {width})"
            raise ValueError(f"the input '{name}' of shape {tuple(column.shape)} does not fit {shape}")
        if given.is_floating_point() and not dtype.is_floating_point and not torch.equal(column.to(given), given):
            raise ValueError(f"the input '{name}' takes integers")
        return column

    def given(self, columns: Mapping[str, Any]) -> dict[str, Tensor]:
        """Its own columns are checked, and may go by name."""
        own = {name: self.column(name, columns[name]) for name in self.columns if name in columns}
        return {**super().given({name: c for name, c in columns.items() if name not in own}), **own}

    def named(self, name: str, key: str) -> int:
        """The number of a row that is given by its name.

        Raises:
            ValueError: there is no such row.
        """
        if key not in self.number[name]:
            raise ValueError(f"the input '{name}' has no '{key}': it was not in the data that trained this embedding")
        return self.number[name][key]

    def open(self, path: str, column: str | None, size: int) -> Inputs:
        """A CSV or TSV file, packed or not."""
        place = Path(path).expanduser()
        if not place.is_file():
            raise ValueError(f"there is no file {path}: this embedding reads CSV files with {', '.join(self.heads())}")
        return Inputs(self.parts(place, size))

    def heads(self) -> list[str]:
        """What the cells of a row are called, in order."""
        return [
            head
            for name, about in self.columns.items()
            for head in ([name] if about["width"] is None else [f"{name}_{i}" for i in range(about["width"])])
        ]

    def parts(self, path: Path, size: int, advice: str = "") -> Iterator[Part]:
        """Rows, a part at a time.

        Args:
            path: the table.
            size: rows in a part.
            advice: what to do about rows of another width, for messages.

        Raises:
            ValueError: a row does not fit; the message has its line.
        """
        with opened(path) as file:
            reader, done = cells(file, path), 0
            try:
                for rows in in_parts(self.rows(reader, advice), size):
                    columns = {name: [row[name] for row in rows] for name in self.columns}
                    yield Part([str(done + i) for i in range(len(rows))], columns)
                    done += len(rows)
            except (ValueError, csv.Error) as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from error

    def rows(self, reader: Any, advice: str = "") -> Iterator[dict[str, Any]]:
        """The numbers of each row by column.

        Raises:
            ValueError: a row does not fit.
        """
        heads, first = self.heads(), True
        places: list[int] | None = None
        for row in reader:
            if not row:
                continue
            if first and set(heads) <= set(row):
                places = [row.index(head) for head in heads]
            elif not first or self.is_data(row):
                if len(row) <= max(places) if places else len(row) != len(heads):
                    shown = ", ".join([*heads[:4], *(["..."] if len(heads) > 4 else [])])
                    raise ValueError(f"it takes {len(heads)} cells a row ({shown}), and there are {len(row)}{advice}")
                yield self.row([row[place] for place in places] if places else row)
            first = False

    def is_data(self, row: Sequence[str]) -> bool:
        """Whether a first line is one of numbers or rows' names, not of other heads."""
        named = {key for names in self.number.values() for key in names}
        return any(cell in named or number(cell) is not None for cell in row)

    def row(self, found: Sequence[str]) -> dict[str, Any]:
        """The cells of a row, in order, as numbers."""
        columns: dict[str, Any] = {}
        start = 0
        for name, about in self.columns.items():
            width = about["width"]
            values = [self.value(name, cell) for cell in found[start : start + (width or 1)]]
            columns[name] = values[0] if width is None else values
            start += width or 1
        return columns

    def value(self, name: str, cell: str) -> float | int:
        """A cell as a number.

        Raises:
            ValueError: it is none, or none of the kind that the column takes.
        """
        if cell in self.number.get(name, {}):
            return self.number[name][cell]
        found = number(cell)
        if found is None:
            raise ValueError(f"'{cell}' is no number for '{name}'")
        if self.columns[name]["dtype"] == "int64":
            if not found.is_integer():
                raise ValueError(f"'{cell}' is no integer for '{name}'")
            return int(found)
        return found

    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """Three rows."""
        found = {}
        for name, about in self.columns.items():
            shape = (3,) if about["width"] is None else (3, about["width"])
            integer = about["dtype"] == "int64"
            example = torch.zeros(shape, dtype=torch.int64) if integer else torch.rand(shape)
            found[name] = (example, {0: "batch"})
        return found


def number(cell: str) -> float | None:
    """A cell as a finite number, None where it is none."""
    try:
        found = float(cell)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def columns_of(batch: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `ColumnsReader` takes, for some columns of a batch."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        column = batch[name]
        if column.ndim <= 2:
            width = column.shape[1] if column.ndim == 2 else None
            found[name] = {"width": width, "dtype": "float32" if column.is_floating_point() else "int64"}
    return found
