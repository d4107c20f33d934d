"""What is known of items or people beside their interactions: title, genres, age, from a table with a column of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.attributes import MISSING, SEVERAL, categories_in, id_of
from embloom.artifact.readers.cells import Coded, shown, sorted_texts
from embloom.data.interaction_files.format import place_of, plain
from embloom.data.table_columns import gathered
from embloom.files.table_parts import TableSource, open_table

ENOUGH = 0.05  # part of the texts that have a bar, from which on it stands between values: titles have one now and then


@dataclass(frozen=True)
class Attribute:
    """A column, aligned with the names of items or people. Either `numbers`, or the others.

    Attributes:
        name: of the column.
        numbers: (N,), NaN where one is missing.
        codes: (N,) of each row its category, the first one where it has several.
        names: of the categories, `missing` among them where a row has none.
        offsets: (N + 1,) where each row's categories begin in `values`, and the end; None where none has several.
        values: all categories of all rows.
    """

    name: str
    numbers: NDArray[np.float32] | None = None
    codes: NDArray[np.int32] | None = None
    names: Sequence[str] = ()
    offsets: NDArray[np.int64] | None = None
    values: NDArray[np.int32] | None = None

    def multi_hot(self) -> NDArray[np.float32]:
        """(N, categories), 1 where a row has a category."""
        assert self.codes is not None
        rows, columns = np.arange(len(self.codes)), self.codes
        if self.offsets is not None and self.values is not None:
            rows, columns = np.repeat(rows, np.diff(self.offsets)), self.values
        hot = np.zeros((len(self.codes), len(self.names)), np.float32)
        hot[rows, columns] = 1
        return hot


def read_attributes(
    path: Path, names: Sequence[str], role: str, column: str | None = None, where: str = "dataset.items"
) -> tuple[dict[str, Attribute], str, list[str]]:
    """Reads a table of items or people.

    Args:
        path: CSV or TSV, packed or not, or Parquet.
        names: the ids of the interactions.
        role: `item` or `user`.
        column: the column of ids; None finds it by its usual names.
        where: the override that names the file, for messages.

    Returns:
        The other columns by name, aligned with `names`; the column of ids; and a line on ids that only one side has,
        where there are.

    Raises:
        ValueError: it cannot be read, has no column of ids or none beside it, or no id of the interactions.
    """
    source = open_table(path, where)
    key = key_of(source, role, column, where)
    others = [name for name in source.names if name != key]
    if not others:
        raise ValueError(f"{where}={path} has the column '{key}' only: it takes attributes beside it")
    rows, said = rows_of(source, key, names, role, where)
    found = {}
    for name, gathered_column in gathered(source, dict.fromkeys(others), dict.fromkeys(others)).items():
        values = gathered_column.values
        found[name] = coded(name, values, rows) if isinstance(values, Coded) else numeric(name, values, rows)
    return found, key, said


def key_of(source: TableSource, role: str, column: str | None, where: str) -> str:
    """The column of ids.

    Raises:
        ValueError: it is not there.
    """
    place = place_of(source.names, role, column)
    if place is None and column is None:
        place = next((place for place, name in enumerate(source.names) if plain(name) == "id"), None)
    if place is not None:
        return source.names[place]
    there = ", ".join(source.names)[:200]
    if column is not None:
        raise ValueError(f"{where}_id={column}: {source.title} has no such column but {there}")
    raise ValueError(f"{source.title} has the columns {there}: which one has the ids? Name it, {where}_id=NAME")


def rows_of(
    source: TableSource, key: str, names: Sequence[str], role: str, where: str
) -> tuple[NDArray[np.int64], list[str]]:
    """Of each name the row of the table, the last one, or -1; and what there is to say."""
    number = {name: place for place, name in enumerate(names)}
    rows = np.full(len(names), -1, np.int64)
    count = unknown = 0
    example = ""
    for part in source.parts([key]):
        cells = part.columns[key]
        for row, cell in enumerate(cells.tolist() if isinstance(cells, np.ndarray) else cells, part.start):
            place = number.get(id_of(cell))
            if place is None:
                unknown, example = unknown + 1, example or str(cell)
            else:
                rows[place] = row
        count = part.start + part.count
    without = int((rows < 0).sum())
    if without == len(names):
        raise ValueError(
            f"{source.title}: no '{key}' is the id of one with interactions; there it is '{shown(names[0])}', and "
            f"here '{shown(example)}'"
        )
    said, what = [], {"item": "items", "user": "people"}[role]
    if unknown:
        said.append(f"{where}: {unknown:,} of {count:,} rows are of {what} without interactions: left out")
    if without:
        said.append(f"{where}: {without:,} of {len(names):,} {what} have no row: their attributes are '{MISSING}'")
    return rows, said


def numeric(name: str, values: NDArray[np.float64], rows: NDArray[np.int64]) -> Attribute:
    """A column of numbers."""
    return Attribute(name, np.append(values, np.nan)[rows].astype(np.float32))


def coded(name: str, values: Coded, rows: NDArray[np.int64]) -> Attribute:
    """A column of categories, of which a row has one, or several with bars between them."""
    text_of = np.append(values.codes, len(values.texts))[rows]
    texts = [*values.texts, ""]
    bars = sum(SEVERAL in text for text in texts)
    several = bars > 0 and bars >= ENOUGH * (len(texts) - 1)
    parts = [categories_in(text, several) for text in texts]
    used = {part for place in np.unique(text_of).tolist() for part in parts[place]}
    names = [*sorted_texts(list(used - {MISSING})), *[MISSING] * (MISSING in used)]
    number = {part: place for place, part in enumerate(names)}
    numbers = [[number.get(part, -1) for part in found] for found in parts]
    codes = np.array([found[0] for found in numbers], np.int32)[text_of]
    if not several:
        return Attribute(name, None, codes, names)
    lengths = np.array([len(found) for found in numbers])[text_of]
    flat = np.array([value for place in text_of.tolist() for value in numbers[place]], np.int32)
    return Attribute(name, None, codes, names, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), flat)
