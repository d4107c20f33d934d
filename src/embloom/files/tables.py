"""Labelled texts on disk: CSV files with a text and a label column, or a folder of text files for each class."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from embloom.files.finding import opened

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
NUMBER = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?%?")
FIELD_LIMIT = 1 << 26  # characters in a cell; Python's own limit is 131,072


def spreadsheet_safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: `=...`, `@...`, and `+...` or `-...` that are no numbers, get an
    apostrophe before them, as people type it there."""
    if text[:1] in ("=", "@", "\t", "\r") or (text[:1] in ("+", "-") and len(text) > 1 and not NUMBER.fullmatch(text)):
        return "'" + text
    return text


def from_spreadsheet(text: str) -> str:
    """What `spreadsheet_safe` was given."""
    return text[1:] if text[:1] == "'" and spreadsheet_safe(text[1:]) == text else text


def is_table(path: Path) -> bool:
    """Whether a file's name says that it is a table."""
    return path.name.lower().endswith(TABLES)


def cells(file: IO[str], path: Path, delimiter: str | None = None) -> Any:
    """A `csv.reader` of a table that is open, cells of any length; without a delimiter TSV by its name, else CSV."""
    csv.field_size_limit(FIELD_LIMIT)
    return csv.reader(file, delimiter=delimiter or ("\t" if ".tsv" in path.name.lower() else ","))


def find_split(path: Path, split: str) -> Path | None:
    """`train` or `test` inside a folder: a folder of classes, or a table of that name."""
    for candidate in (path / split, *(path / f"{split}{ending}" for ending in TABLES)):
        if candidate.exists():
            return candidate
    return None


def table_rows(path: Path, columns: tuple[str, ...], advice: str) -> Iterator[tuple[str, ...]]:
    """The cells of some columns, row by row; streams, so any size.

    Args:
        path: CSV, or TSV by its name, packed or not; the first line names the columns.
        columns: which ones.
        advice: how to name the columns, for messages.

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
                raise ValueError(f"{path} has no column '{missing[0]}' but {there}: {advice}")
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
        labels, texts = [], []
        for name, content in table_rows(path, (label, text), "name it, dataset.text=... or dataset.label=..."):
            labels.append(sys.intern(name))  # a name for each row would take more memory than short texts
            texts.append(content)
        return labels, texts
    labels, texts = [], []
    for name, file in class_files(path):
        with opened(file) as stream:
            texts.append(stream.read())
        labels.append(name)
    return labels, texts


def class_files(path: Path) -> list[tuple[str, Path]]:
    """The classes and text files of a folder with a folder of them for each class, in order.

    Raises:
        ValueError: it is no folder, or a class has no texts.
    """
    if not path.is_dir():
        raise ValueError(
            f"dataset.path={path} is neither a file nor a folder: name a CSV file, or a folder of class folders"
        )
    found = []
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")):
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        if not files:
            raise ValueError(f"the class folder {folder} has no texts: add some, or remove it")
        found += [(folder.name, file) for file in files]
    return found
