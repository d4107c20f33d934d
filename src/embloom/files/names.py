"""Names of rows from a file: one a line; and labels of rows, a table with a column of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from embloom.files.finding import opened
from embloom.files.tables import cells


def read_names(path: str | Path) -> list[str]:
    """A name a line (packed with gzip or not), or a `.npy` array of texts.

    Raises:
        ValueError: it cannot be read, a line is empty, or a name is there twice.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise ValueError(f"there is no file {path}: name one with a name a line")
    if place.read_bytes()[:6] == b"\x93NUMPY":
        return array_of_names(place)
    with opened(place) as file:
        lines = [line.rstrip("\r\n") for line in file]
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ValueError(f"{place} holds no names: write one a line")
    refuse_twice(lines, place)
    return lines


def array_of_names(path: Path) -> list[str]:
    """Names as numpy keeps them."""
    try:
        array = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path} holds no plain texts: save them with a name a line") from error
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError(f"{path} is an array of {array.dtype}, shape {array.shape}: names are texts (N,)")
    names = [str(name) for name in array.tolist()]
    refuse_twice(names, path)
    return names


def refuse_twice(names: Sequence[str], path: Path) -> None:
    """Raises:
    ValueError: a name is empty, or there twice.
    """
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise ValueError(f"{path}, line {number} is empty: write a name there, or take it out")
        if first.setdefault(name, number) != number:
            raise ValueError(f"{path}, line {number}: the name '{name[:40]}' is in line {first[name]} already")


def read_labels(path: str | Path) -> dict[str, dict[str, str]]:
    """A CSV or TSV file whose first column is names, and each other one a label: label -> name -> class.

    Raises:
        ValueError: it cannot be read, or a row does not fit.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise ValueError(f"there is no file {path}: name a CSV file with a column of names and one for each label")
    with opened(place) as file:
        reader = cells(file, place)
        header = [name.strip() for name in next(filter(None, reader), [])]
        if len(header) < 2:
            raise ValueError(f"{place}, line 1: it must name a column of names, and one for each label (CSV or TSV)")
        found: dict[str, dict[str, str]] = {label: {} for label in header[1:]}
        for row in filter(None, reader):
            if len(row) != len(header):
                raise ValueError(f"{place}, line {reader.line_num}: it has {len(row)} cells, and line 1 {len(header)}")
            for label, value in zip(header[1:], row[1:], strict=True):
                found[label][row[0]] = value.strip()
    return found


def labels_of(names: Sequence[str], known: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Label -> the class of each name, '' where there is none."""
    return {label: [of.get(name, "") for name in names] for label, of in known.items()}
