"""Lines of a word and its numbers, as word2vec, GloVe and fastText write them, to words and rows; mistakes by line."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Lines = list[tuple[int, bytes]]  # with their numbers
CHUNK = 4096  # lines that are turned into numbers together
SHOWN = 40


def read_lines(stream: BinaryIO, path: Path, dim: int, begun: bytes, first: int) -> tuple[list[str], Rows]:
    """All that is left of a file.

    Args:
        stream: the file.
        path: for messages.
        dim: how many numbers stand behind a word; a word of GloVe's may hold spaces itself.
        begun: what has been read from the stream already.
        first: the line with which that begins.

    Returns:
        The words and their vectors (N, dim).

    Raises:
        ValueError: a line holds something else; the message has its number.
    """
    words: list[str] = []
    found = bytearray()  # grows in place, where arrays side by side would be there twice
    lines = numbered(stream, begun, first)
    while chunk := list(islice(lines, CHUNK)):
        quick = of_chunk(chunk, dim)
        some, rows = quick if quick is not None else one_by_one(chunk, path, dim)
        refuse_infinite(rows, chunk, some, path)
        words += some
        found += np.ascontiguousarray(rows, "<f4").data.cast("B")
    return words, np.frombuffer(found, "<f4").reshape(-1, dim)


def numbered(stream: BinaryIO, begun: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    """Lines that are not empty, without their ends, and their numbers."""
    *whole, rest = begun.split(b"\n")
    line = b""
    number = first - 1
    for number, line in enumerate(whole, first):
        if line := line.rstrip():
            yield number, line
    for line in stream:
        number += 1
        line, rest = (rest + line).rstrip(), b""
        if line:
            yield number, line
    if rest.strip():
        yield number + 1, rest.rstrip()


def of_chunk(chunk: Lines, dim: int) -> tuple[list[str], Rows] | None:
    """The usual: single spaces, and none in a word. None where a line is otherwise."""
    if any(line.count(b" ") != dim for _, line in chunk):
        return None
    parted = [line.partition(b" ") for _, line in chunk]
    numbers = parsed(b" ".join([rest for _, _, rest in parted]), len(chunk) * dim)
    if numbers is None:
        return None
    return [word.decode(errors="replace") for word, _, _ in parted], numbers.reshape(-1, dim)


def parsed(text: bytes, count: int) -> Rows | None:
    """Numbers between single spaces; None where there are not `count`, or one is none.

    Through Arrow where that is installed: it reads numbers three times as fast as numpy.
    """
    if len(text) > 1 << 16 and importlib.util.find_spec("pyarrow") is not None:
        found = by_arrow(text.replace(b" ", b"\n"))
        if found is not None and len(found) == count:
            return found
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that is how numpy says that it stopped early
        try:
            found = np.fromstring(text, np.float32, sep=" ")
        except (DeprecationWarning, RuntimeWarning, ValueError):
            return None
    return found if len(found) == count else None


def by_arrow(lines: bytes) -> Rows | None:
    """A number a line; None where one is none."""
    import pyarrow
    from pyarrow import csv

    options: dict[str, Any] = {
        "read_options": csv.ReadOptions(column_names=["x"], use_threads=False, block_size=len(lines) + 1),
        "parse_options": csv.ParseOptions(delimiter=",", quote_char=False, ignore_empty_lines=False),
        "convert_options": csv.ConvertOptions(column_types={"x": pyarrow.float32()}, null_values=[]),
    }
    try:
        column = csv.read_csv(pyarrow.BufferReader(lines), **options).column(0)
    except pyarrow.ArrowException:
        return None
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False), np.float32)


def one_by_one(chunk: Lines, path: Path, dim: int) -> tuple[list[str], Rows]:
    """Lines of any white space.

    Raises:
        ValueError: one is no word and `dim` numbers.
    """
    words, rows = [], np.empty((len(chunk), dim), np.float32)
    for place, (number, line) in enumerate(chunk):
        fields = line.split()
        word, values = b" ".join(fields[:-dim]), fields[-dim:]
        longer = len(fields) > dim + 1 and is_number(fields[-dim - 1])  # a number too many, no word with a space
        if len(fields) <= dim or longer or not all(map(is_number, values)):
            raise ValueError(f"{path}, line {number} ('{beginning(line)}'): {wrong(fields, dim)}")
        words.append(word.decode(errors="replace"))
        rows[place] = [bounded(float(value)) for value in values]
    return words, rows


def wrong(fields: Sequence[bytes], dim: int) -> str:
    """What is wrong with a line, in words."""
    if len(fields) <= dim:
        return f"it has not a word and {dim} numbers, as the first line has, but {len(fields)} fields"
    if all(map(is_number, fields[-dim - 1 :])):
        return f"it has more than {dim} numbers, unlike the first line"
    place, value = next((i, field) for i, field in enumerate(fields[-dim:], 1) if not is_number(field))
    return f"number {place} of {dim} is '{beginning(value)}'"


def refuse_infinite(rows: Rows, chunk: Lines, words: Sequence[str], path: Path) -> None:
    """Raises:
    ValueError: a row holds a number that is not finite.
    """
    good = np.isfinite(rows).all(1)
    if not good.all():
        row = int((~good).argmax())
        what = "NaN" if np.isnan(rows[row]).any() else "an infinite number"
        raise ValueError(
            f"{path}, line {chunk[row][0]}: the vector of '{words[row][:SHOWN]}' is not finite: it holds {what}"
        )


def is_number(field: bytes) -> bool:
    """Whether a field is one, NaN and infinity too."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def bounded(number: float) -> float:
    """What float32 cannot hold as infinity, without a warning."""
    return number if abs(number) < 3.4e38 or math.isnan(number) else math.copysign(math.inf, number)


def beginning(text: bytes) -> str:
    """For a message."""
    return text[:SHOWN].decode(errors="replace") + ("..." if len(text) > SHOWN else "")
