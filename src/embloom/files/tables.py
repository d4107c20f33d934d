"""Labelled texts on disk: CSV files with a text and a label column, or a folder of text files for each class."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
FIELD_LIMIT = 1 << 30  # characters in a cell; Python's own limit is 131,072


def is_table(path: Path) -> bool:
    """Whether a file's name says that it is a table."""
    return path.name.lower().endswith(TABLES)


def cells(file: IO[str], path: Path) -> Any:
    """A `csv.reader` of a table that is open: TSV by its name, cells of any length."""
    csv.field_size_limit(FIELD_LIMIT)
    return csv.reader(file, delimiter="\t" if ".tsv" in path.name.lower() else ",")


def find_split(path: Path, split: str) -> Path | None:
    """`train` or `test` inside a folder: a folder of classes, or a table of that name."""
    for candidate in (path / split, *(path / f"{split}{ending}" for ending in TABLES)):
        if candidate.exists():
            return candidate
    return None


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """A text file, packed with gzip or not, as UTF-8; undecodable bytes become U+FFFD.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with path.open("rb") as packed:
            zipped = packed.read(2) == b"\x1f\x8b"
        if zipped:
            with gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
                yield file
        else:
            with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                yield file
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def table_rows(path: Path, columns: tuple[str, ...], where: str = "dataset") -> Iterator[tuple[str, ...]]:
    """The cells of some columns, row by row; streams, so any size.

    Args:
        path: CSV, or TSV by its name, packed or not; the first line names the columns.
        columns: which ones.
        where: what the overrides that name them begin with, for messages.

    Raises:
        ValueError: it cannot be read, a column is missing, or a row is short.
    """
    with opened(path) as file:
        reader = cells(file, path)
        try:
            header: list[str] = next(reader, [])
            missing = [name for name in columns if name not in header]
            if missing:
                there = ", ".join(header)[:200]
                hint = f"name it, {where}.text=... or {where}.label=..."
                raise ValueError(f"{path} has no column '{missing[0]}' but {there}: {hint}")
            places = [header.index(name) for name in columns]
            for row in reader:
                if row and len(row) <= max(places):
                    raise ValueError(f"{path}, line {reader.line_num}: the row has {len(row)} cells, too few")
                if row:
                    yield tuple(row[place] for place in places)
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def labelled(path: Path, label: str, text: str) -> tuple[list[str], list[str]]:
    """The labels and texts of a table, or of a folder with a folder of text files for each class.

    Raises:
        ValueError: there is nothing, or it cannot be read.
    """
    if path.is_file():
        rows = list(table_rows(path, (label, text)))
        return [row[0] for row in rows], [row[1] for row in rows]
    if not path.is_dir():
        raise ValueError(
            f"dataset.path={path} is neither a file nor a folder: name a CSV file, or a folder of class folders"
        )
    labels, texts = [], []
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")):
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        if not files:
            raise ValueError(f"the class folder {folder} has no texts: add some, or remove it")
        for file in files:
            with opened(file) as stream:
                texts.append(stream.read())
            labels.append(folder.name)
    return labels, texts
