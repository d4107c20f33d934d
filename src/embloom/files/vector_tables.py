"""Tables with a vector a row, CSV and Parquet: the column of names, the numbers, and whatever else is a label."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.files.finding import opened
from embloom.files.table_parts import pyarrow
from embloom.files.tables import cells, from_spreadsheet
from embloom.files.vector_text import CHUNK, is_number, one_by_one, parsed

NAMES = ("name", "word", "token", "key", "id", "title", "path", "text")  # what a column of names is called
LABELS = ("label", "class", "target", "category")  # what is a label though it holds numbers
DELIMITERS = "\t,;|"
SPACE = re.compile(r"\s")


@dataclass
class Table:
    """What such a file holds.

    Attributes:
        rows: (N, D).
        names: of the rows; none where there is no such column.
        labels: column -> text of each row.
        about: what a Parquet file says of itself.
    """

    rows: Tensor
    names: list[str] = field(default_factory=list)
    labels: dict[str, list[str]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)


def is_table_of_vectors(path: Path) -> bool:
    """Whether a text has cells between commas, tabs or semicolons, and not a word and numbers between spaces."""
    with path.open("rb") as file:
        if b"\0" in file.read(1 << 12) and path.suffix != ".gz":
            return False  # word2vec's binary format
    try:
        with opened(path) as text:
            lines = [line for line in islice(text, 3) if line.strip()]
    except ValueError:
        return False
    return bool(lines) and delimiter_of(lines) is not None


def delimiter_of(lines: Sequence[str]) -> str | None:
    """What stands between the cells of the second line, of the first where there is one only; None for spaces."""
    line = lines[min(1, len(lines) - 1)].rstrip("\r\n")
    spaced = line.split()
    if len(spaced) > 2 and all(is_number(field.encode()) for field in spaced[-2:]) and "\t" not in line:
        return None
    counts = {mark: line.count(mark) for mark in DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    ends = line.rstrip(best).rpartition(best)[2].strip()
    if not counts[best] or (len(spaced) > 1 and is_number(spaced[-1].encode()) and not is_number(ends.encode())):
        return None
    return best


def read_csv(path: Path) -> Table:
    """A row a vector; a first line may name the columns. The column of names is called so (`name`, `word`, ...) or is
    the first one that holds no numbers; other columns that hold none are labels.

    Raises:
        ValueError: a row does not fit, or a cell is no number; the message has its line.
    """
    with opened(path) as file:
        lines = [line for line in islice(file, 3) if line.strip()]
    delimiter = delimiter_of(lines) or ","
    with opened(path) as file:
        reader = cells(file, path, delimiter)
        try:
            return rows_of(reader, path)
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def rows_of(reader: Any, path: Path) -> Table:
    """See `read_csv`."""
    stream = ((reader.line_num, row) for row in reader if row)
    number, first = next(stream)
    counted = [[str(start + place) for place in range(len(first) - 1)] for start in (0, 1)]  # as pandas names columns
    headed = not any(map(numeric, first[1:])) or [cell.strip() for cell in first[1:]] in counted
    header = [cell.strip() for cell in first] if headed else [str(place) for place in range(len(first))]
    begun = [] if headed else [(number, first)]
    if headed:
        begun = list(islice(stream, 1))
        if not begun:
            raise ValueError(f"{path} has a line of names and no row")
    name, labels, numbers = columns_of(header, [numeric(cell) for cell in begun[0][1]], path)
    found = Table(torch.empty(0))
    found.labels = {header[place]: [] for place in labels}
    parts = []
    while chunk := [*begun, *islice(stream, CHUNK)]:
        begun = []
        for line, row in chunk:
            if len(row) != len(header):
                raise ValueError(f"{path}, line {line}: it has {len(row)} cells, and the first line {len(header)}")
        parts.append(numbers_of(chunk, numbers, path))
        if name is not None:
            found.names += [from_spreadsheet(row[name]) for _, row in chunk]
        for place in labels:
            found.labels[header[place]] += [row[place].strip() for _, row in chunk]
    found.rows = torch.from_numpy(np.concatenate(parts))
    return found


def columns_of(
    header: Sequence[str], is_numeric: Sequence[bool], path: Path
) -> tuple[int | None, list[int], list[int]]:
    """Which column has the names, which are labels and which the numbers.

    Raises:
        ValueError: none has numbers.
    """
    if len(is_numeric) != len(header):
        raise ValueError(f"{path}: the first row has {len(is_numeric)} cells, and the line of names {len(header)}")
    lower = [name.lower() for name in header]
    called = [lower.index(name) for name in NAMES if name in lower]
    other = [place for place, number in enumerate(is_numeric) if not number and lower[place] not in LABELS]
    name = next(iter([*called, *other]), None)
    labels = [
        place
        for place, number in enumerate(is_numeric)
        if place != name and (not number or lower[place] in LABELS)
    ]  # fmt: skip
    numbers = [place for place in range(len(header)) if place != name and place not in labels]
    if not numbers:
        raise ValueError(f"{path} has no column of numbers but {', '.join(header)[:200]}")
    return name, labels, numbers


def numbers_of(chunk: Sequence[tuple[int, list[str]]], places: Sequence[int], path: Path) -> Any:
    """The numbers of some rows (n, D)."""
    fields = [[SPACE.sub("", row[place]) or "''" for place in places] for _, row in chunk]
    found = parsed(" ".join([" ".join(row) for row in fields]).encode(), len(chunk) * len(places))
    if found is not None:
        rows = found.reshape(-1, len(places))
    else:
        lines = [(line, " ".join(["row", *row]).encode()) for (line, _), row in zip(chunk, fields, strict=True)]
        _, rows = one_by_one(lines, path, len(places))
    finite = np.isfinite(rows).all(1)
    if not finite.all():
        line = chunk[int((~finite).argmax())][0]
        raise ValueError(f"{path}, line {line}: a number is NaN or infinite: correct it")
    return rows


def numeric(cell: str) -> bool:
    """Whether a cell holds a number."""
    return is_number(cell.strip().encode())


def read_parquet(path: Path) -> Table:
    """A column of lists, or a column for each number; the others are names and labels, as in `read_csv`.

    Raises:
        ValueError: it holds no numbers, or lists of different lengths.
    """
    arrow, parquet = pyarrow()
    table = parquet.ParquetFile(path, page_checksum_verification=True).read()
    about = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in (table.schema.metadata or {}).items()}
    kinds = [entry.type for entry in table.schema]
    lists = [place for place, kind in enumerate(kinds) if is_list(arrow, kind)]
    is_numeric = [arrow.types.is_floating(kind) or arrow.types.is_integer(kind) for kind in kinds]
    header = list(table.column_names)
    if len(lists) == 1:
        flags = [place in lists for place in range(len(header))]
        name, labels, _ = columns_of(header, flags, path)
        rows = of_lists(table.column(lists[0]).combine_chunks())
    else:
        name, labels, numbers = columns_of(header, is_numeric, path)
        rows = np.stack([of_column(table.column(place)) for place in numbers], 1)
    named = [] if name is None else texts(table.column(name))
    return Table(torch.from_numpy(rows), named, {header[p]: texts(table.column(p)) for p in labels}, about)


def is_list(arrow: Any, kind: Any) -> bool:
    """Whether a column holds lists of numbers."""
    types = arrow.types
    listed = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(listed and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type)))


def of_lists(column: Any) -> Any:
    """A column of lists as rows.

    Raises:
        ValueError: they differ in length, or one is missing.
    """
    lengths = np.asarray(column.value_lengths().fill_null(-1)) if hasattr(column, "value_lengths") else np.array([])
    odd = np.flatnonzero(lengths != lengths[0]) if len(lengths) else lengths
    if column.null_count or len(odd):
        row = int(odd[0]) if len(odd) else 0
        raise ValueError(f"row {row}: its vector is missing, or of another length than the first")
    flat = np.array(column.flatten().to_numpy(zero_copy_only=False), np.float32)
    return flat.reshape(len(column), -1)


def of_column(column: Any) -> Any:
    """A column of numbers; what is missing is NaN."""
    return np.asarray(column.to_numpy(), np.float32)


def texts(column: Any) -> list[str]:
    """A column as texts, '' where one is missing."""
    return ["" if value is None else str(value) for value in column.to_pylist()]
