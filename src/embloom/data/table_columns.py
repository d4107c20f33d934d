"""What the columns of a table hold: numbers or categories, found while the table is read a part at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.cells import (
    Coded,
    Codes,
    Numbers,
    finite,
    is_cell_of_numbers,
    moments,
    numbers_of,
    parsed,
    shown,
    sorted_texts,
)
from embloom.artifact.readers.table import CATEGORICAL, NUMERIC, Values, placed
from embloom.files.table_parts import Cells, TableSource

MOST_CATEGORIES = 100  # of a column, where nothing is said
SAMPLE = 1000
PLAIN = re.compile(r"[A-Za-z_][\w.-]*")


class Column:
    """One column, as its parts come: numbers as long as all cells are, else categories.

    Args:
        name: of the column.
        kind: `numeric`, `categorical`, or None to find out.
        most: give up where there are more categories; None is never.

    Attributes:
        count: the rows so far.
        again: it turned out to be of categories after parts that were all numbers, whose texts are gone.
        crowded: there are more categories than `most`.
        odd: the row and the text of the first cell that is no number, where the others are.
    """

    def __init__(self, name: str, kind: str | None, most: int | None) -> None:
        self.name, self.kind, self.most = name, kind, most
        self.count = 0
        self.numbers: list[Numbers] = []
        self.codes, self.coded = Codes(), list[NDArray[np.int32]]()
        self.again = self.crowded = False
        self.odd: tuple[int, str] | None = None

    def add(self, cells: Cells, start: int, table: TableSource) -> None:
        """The cells of the rows from `start` on.

        Raises:
            ValueError: there is a number that is not finite, or no number where the kind says so.
        """
        self.count += len(cells)
        if self.again or self.crowded:
            return
        if self.kind == NUMERIC:
            self.numbers.append(numbers_of(cells, self.name, placed(table, start)))
            return
        numbers = parsed(cells) if self.kind is None else None
        if numbers is not None:
            self.numbers.append(finite(numbers, cells, self.name, placed(table, start)))
            return
        if self.kind is None:
            self.turn(cells, start)
        if not self.again:
            self.coded.append(self.codes.of(cells))
            self.crowded = self.most is not None and len(self.codes.texts) > self.most

    def turn(self, cells: Cells, start: int) -> None:
        """It is of categories after all."""
        self.kind, self.again = CATEGORICAL, bool(self.numbers)
        self.numbers = []
        fits = [is_cell_of_numbers(cell) for cell in cells[:SAMPLE]]
        if self.again or sum(fits) > len(fits) / 2:
            row = next(i for i, cell in enumerate(cells) if not is_cell_of_numbers(cell))
            self.odd = (start + row, str(cells[row]))

    @property
    def values(self) -> Values:
        """All of it."""
        if self.kind == CATEGORICAL:
            codes = np.concatenate(self.coded) if self.coded else np.zeros(0, np.int32)
            return Coded(codes, self.codes.texts)
        return np.concatenate(self.numbers) if self.numbers else np.zeros(0)

    @property
    def empty(self) -> bool:
        """Whether every cell is missing."""
        if self.kind == CATEGORICAL:
            return not any(self.codes.texts)
        return all(np.isnan(part).all() for part in self.numbers)


def gathered(table: TableSource, kinds: Mapping[str, str | None], most: Mapping[str, int | None]) -> dict[str, Column]:
    """Reads columns of a table, and finds out what they hold.

    Args:
        table: the file.
        kinds: column -> `numeric`, `categorical`, or None to find out.
        most: column -> its categories at most; None is any number.

    Raises:
        ValueError: the table cannot be read, or a cell is not what it must be.
    """
    columns = {name: Column(name, kind, most[name]) for name, kind in kinds.items()}
    read(table, columns)
    again = {name: Column(name, CATEGORICAL, most[name]) for name, column in columns.items() if column.again}
    read(table, again)
    for name, column in again.items():
        column.odd = columns[name].odd
    return {**columns, **again}


def read(table: TableSource, columns: Mapping[str, Column]) -> None:
    """Adds every part of a table to its columns."""
    if columns:
        for part in table.parts(list(columns)):
            for name, column in columns.items():
                column.add(part.columns[name], part.start, table)


def check_useful(table: TableSource, columns: Mapping[str, Column], ignored: Sequence[str]) -> None:
    """Refuses columns that no encoder can use as they are.

    Raises:
        ValueError: a column has too many categories, or no value at all.
    """
    said, crowded = [], [column for column in columns.values() if column.crowded]
    for column in crowded:
        said.append(f"the column '{column.name}' has more than {column.most} categories{why(table, column)}")
    empty = [column for column in columns.values() if not column.crowded and column.empty]
    said += [f"the column '{column.name}' has no value in any row" for column in empty]
    if said:
        names = [*ignored, *(column.name for column in [*crowded, *empty])]
        keep = f", or keep the most frequent ones with dataset.max_categories={MOST_CATEGORIES}" if crowded else ""
        them = "it" if len(said) == 1 else "them"
        raise ValueError(f"{table.title}: {'; '.join(said)}. Leave {them} out with {override('ignore', names)}{keep}")


def why(table: TableSource, column: Column) -> str:
    """What makes a column one of categories."""
    if column.odd is not None:
        row, cell = column.odd
        return f" because '{shown(cell)}' ({table.place(row)}) is no number"
    examples = [text for text in column.codes.texts if text][:2]
    return f", such as {' and '.join(repr(shown(text)) for text in examples)}"


def override(key: str, names: Sequence[str]) -> str:
    """A list of columns as it is typed in a shell."""
    if all(PLAIN.fullmatch(name) for name in names):
        return f"dataset.{key}=[{','.join(names)}]"
    quoted = ",".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
    return "'" + f"dataset.{key}=[{quoted}]".replace("'", "'\\''") + "'"


def described(name: str, values: Values, rows: NDArray[Any], most: int | None) -> dict[str, Any]:
    """What `TableReader` keeps of a column, from some of its rows.

    Args:
        name: of the column.
        values: of all rows.
        rows: the training split.
        most: keep at most so many categories, the most frequent ones.
    """
    if isinstance(values, Coded):
        counts = np.bincount(values.codes[rows], minlength=len(values.texts))
        there = sorted((-count, values.texts[i]) for i, count in enumerate(counts.tolist()) if count)
        return {"name": name, "kind": CATEGORICAL, "categories": sorted_texts([text for _, text in there[:most]])}
    some = values[rows]
    missing = np.isnan(some)
    mean, std = moments(some[~missing])
    return {"name": name, "kind": NUMERIC, "mean": mean, "std": std, "missing": bool(missing.any())}
