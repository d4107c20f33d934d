"""What `embloom encode` reads: pictures, texts or CSV files of any size, a part at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.readers.image import Pixels
from embloom.files.tables import cells, is_table, opened, table_rows

PICTURES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"])
THREADS = 4


@dataclass
class Part:
    """Some of the inputs: what they are called, and what `Extractor` takes."""

    names: list[str]
    inputs: Any


@dataclass
class Inputs:
    """A stream of inputs.

    Attributes:
        parts: read as they are asked for.
        count: how many inputs there are, where that is known beforehand.
    """

    parts: Iterator[Part]
    count: int | None = None


def read_inputs(path: str, described: dict[str, Any], column: str | None, size: int) -> Inputs:
    """Opens what `path` stands for.

    Args:
        path: for pictures: one, a folder, a glob, a CSV file with a column of paths, or one with a column for each
            feature. For texts: a file with one a line, a CSV file, or a folder or glob of files with one each.
        described: the `inputs` of the artifact's card.
        column: of a CSV file: that of the paths or the texts (`text` where it is not given).
        size: inputs in a part.

    Raises:
        ValueError: nothing is there, or it cannot be read.
    """
    if "image" in described:
        return of_pictures(path, Pixels(**described["image"]), column, size)
    if "text" in described:
        return of_texts(path, column, size)
    raise ValueError("this artifact does not say how raw inputs become tensors: use embloom.load(...).encode in Python")


def of_pictures(path: str, pixels: Pixels, column: str | None, size: int) -> Inputs:
    """Pictures, decoded in threads."""
    place = Path(path).expanduser()
    if place.is_file() and is_table(place):
        if column is None:
            return Inputs(feature_parts(place, pixels.size, size))
        beside = (str(place.parent / row[0]) for row in table_rows(place, (column,), "--column"))
        return Inputs(picture_parts(beside, pixels, size))
    paths = files_at(path, "pictures", PICTURES)
    return Inputs(picture_parts(map(str, paths), pixels, size), len(paths))


def picture_parts(paths: Iterable[str], pixels: Pixels, size: int) -> Iterator[Part]:
    """Rows of floats in 0..1, a part at a time."""

    def read(path: str) -> Tensor:
        try:
            return pixels.read(Path(path))
        except Exception as error:  # Pillow's decoders raise almost anything on broken input
            raise ValueError(f"cannot read the picture {path} ({error}): repair or remove it") from error

    stream = iter(paths)
    with ThreadPoolExecutor(THREADS) as pool:
        while names := list(islice(stream, size)):
            yield Part(names, torch.stack(list(pool.map(read, names))).float() / 255)


def feature_parts(path: Path, features: int, size: int) -> Iterator[Part]:
    """Rows of numbers of a CSV file, with or without a line of names."""
    with opened(path) as file:
        reader = cells(file, path)
        rows: list[list[float]] = []
        done = 0
        for row in reader:
            numbers = as_numbers(row)
            if numbers is None and reader.line_num == 1:
                continue
            if numbers is None or len(numbers) != features:
                raise ValueError(
                    f"{path}, line {reader.line_num}: it takes {features} numbers a row, there are {len(row)} cells. "
                    "For a column of paths: --column NAME"
                )
            rows.append(numbers)
            if len(rows) == size:
                yield Part([str(done + i) for i in range(size)], torch.tensor(rows))
                done, rows = done + size, []
        if rows:
            yield Part([str(done + i) for i in range(len(rows))], torch.tensor(rows))


def as_numbers(row: Sequence[str]) -> list[float] | None:
    """Cells as numbers, None where one is none."""
    try:
        return [float(cell) for cell in row]
    except ValueError:
        return None


def of_texts(path: str, column: str | None, size: int) -> Inputs:
    """Texts: lines, cells or files."""
    place = Path(path).expanduser()
    if place.is_file() and is_table(place):
        return Inputs(numbered((row[0] for row in table_rows(place, (column or "text",), "--column")), size))
    if place.is_file():
        return Inputs(numbered(lines(place), size))
    files = files_at(path, "text files", None)
    return Inputs(file_parts(files, size), len(files))


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file; an empty one is a text too."""
    with opened(path) as file:
        for line in file:
            yield line.rstrip("\r\n")


def file_parts(files: Sequence[Path], size: int) -> Iterator[Part]:
    """One text a file."""
    for start in range(0, len(files), size):
        texts = []
        for file in files[start : start + size]:
            with opened(file) as stream:
                texts.append(stream.read())
        yield Part([str(file) for file in files[start : start + size]], texts)


def numbered(texts: Iterable[str], size: int) -> Iterator[Part]:
    """Texts that are called by their numbers, from 0."""
    stream, done = iter(texts), 0
    while some := list(islice(stream, size)):
        yield Part([str(done + i) for i in range(len(some))], some)
        done += len(some)


def files_at(path: str, what: str, endings: frozenset[str] | None) -> list[Path]:
    """The files that a path, a folder or a glob stands for, sorted.

    Raises:
        ValueError: there is none.
    """
    place = Path(path).expanduser()
    if place.is_file():
        return [place]
    found = place.rglob("*") if place.is_dir() else (Path(name) for name in glob(str(place), recursive=True))
    files = sorted(
        p for p in found if p.is_file() and p.name[0] != "." and (endings is None or p.suffix.lower() in endings)
    )
    if not files:
        raise ValueError(f"there are no {what} at {path}: name a file, a folder or a quoted glob")
    return files
