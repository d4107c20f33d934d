"""A text file in blocks of whole lines, so that each can be read by another process."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embloom.files.finding import checked

BLOCK_BYTES = 1 << 21
MOST_BYTES = 1 << 26  # of a single row
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LineBlock:
    """Whole lines of a file, the last one maybe without its end.

    Attributes:
        data: their bytes.
        line: the number of the first one, from 1.
        path: the file.
    """

    data: bytes
    line: int
    path: Path


def line_blocks(path: Path, delimiter: bytes | None, size: int = BLOCK_BYTES) -> Iterator[tuple[LineBlock, int]]:
    """Yields a file's lines in blocks of about `size` bytes, each with the position in the file (of the packed bytes,
    where it is gzip) up to which has been read.

    Args:
        path: the file, packed with gzip or not.
        delimiter: what stands between cells, of which quoted ones may hold line ends; None: nothing is quoted.
        size: bytes.

    Raises:
        ValueError: the file cannot be read, is no text, or has a row of more than 64 MiB.
    """
    rest, line = b"", 1
    try:
        with path.open("rb") as packed, checked(packed, path, as_rows=False) as stream:
            while data := stream.read(size):
                data = rest + data
                if line == 1:
                    data = data.removeprefix(BOM)
                cut = last_end(data, delimiter)
                if cut:
                    yield LineBlock(data[:cut], line, path), packed.tell()
                    line += data.count(b"\n", 0, cut)
                rest = data[cut:]
                if len(rest) > MOST_BYTES:
                    why = "does a quote begin there that never ends?" if b'"' in rest else "is it a table?"
                    raise ValueError(f"{path}, line {line}: the row has more than {MOST_BYTES >> 20} MiB: {why}")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if rest:
        yield LineBlock(rest, line, path), path.stat().st_size


def last_end(data: bytes, delimiter: bytes | None) -> int:
    """Where the last row that is whole ends; 0 where there is none."""
    if delimiter is not None and b'"' in data:
        # Line ends in quoted cells end no row, and a quote that does not end yet swallows the rest.
        quoted = rb'(?:(?<=[\n%b])|\A)"[^"]*+(?:""[^"]*+)*+"?' % re.escape(delimiter)
        data = re.sub(quoted, lambda found: b"x" * len(found[0]), data)
    return data.rfind(b"\n") + 1
