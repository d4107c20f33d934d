"""Files that a path, a folder or a glob stands for, packed with gzip or not."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import IO, Any, BinaryIO

GZIP = b"\x1f\x8b"
RATIO = "EMBLOOM_MAX_UNPACK"  # environment: how many times its size a packed file may unpack to
LEAST_LIMIT = 1 << 25
MOST = 20  # where the variable is not set; text and tables take a third to a tenth of their size
# A row takes some hundred bytes of memory, a word or a cell some twenty, however short they are in the file.
LEAST_LINES = 1 << 21
LINE, CELL = 80, 10  # of so many unpacked bytes one at most begins a line or a cell, on average
BETWEEN = (b"\n", b",", b" ", b"\t", b";", b"|")
READ = 1 << 20
HEAD = 1 << 13
# What Pillow reads and people have.
IMAGES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"])


def files_at(path: str | Path, what: str, endings: frozenset[str] | None = None, where: str = "") -> list[Path]:
    """The files that a path, a folder (searched in depth, without hidden files) or a glob stands for, sorted.

    Args:
        path: the path.
        what: what they are, for messages.
        endings: only files whose names end so, in lower case; None is all. A file named itself is taken as it is.
        where: the override that names them (`dataset.path`), for messages.

    Raises:
        ValueError: there is none.
    """
    place = Path(path).expanduser()
    if place.is_file():
        return [place]
    found = place.rglob("*") if place.is_dir() else (Path(name) for name in glob(str(place), recursive=True))
    files = sorted(
        p for p in found if p.name[0] != "." and (endings is None or p.suffix.lower() in endings) and p.is_file()
    )
    if not files:
        advice = f"set {where}=FILE, a folder or a quoted glob" if where else "name a file, a folder or a quoted glob"
        raise ValueError(f"there is no {what} at {path}: {advice}")
    return files


class Bounded(io.RawIOBase):
    """What a packed file holds, as long as it is not far more than any honest file would.

    Args:
        source: the unpacking stream.
        size: of the packed file, in bytes.
        name: the file's, for the message.
        as_rows: its lines and cells become objects, so they are counted too.
    """

    def __init__(self, source: gzip.GzipFile, size: int, name: str, as_rows: bool = True) -> None:
        self.source, self.name = source, name
        limit = size * setting(RATIO, MOST)
        self.limits = {"bytes": max(LEAST_LIMIT, limit)}
        if as_rows:
            self.limits |= {
                "lines": max(LEAST_LINES, limit // LINE),
                "cells or words": max(LEAST_LIMIT, limit) // CELL,
            }
        self.counts = dict.fromkeys(self.limits, 0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into the buffer.

        Raises:
            ValueError: the limit is passed.
        """
        count = self.source.readinto(buffer)
        data = bytes(memoryview(buffer)[:count])
        begun = [data.count(mark) for mark in BETWEEN] if len(self.limits) > 1 else [0]
        for what, more in zip(self.limits, (count, begun[0], sum(begun)), strict=False):
            self.counts[what] += more
            if self.counts[what] > self.limits[what]:
                raise ValueError(
                    f"{self.name} unpacks to more than {self.limits[what]:,} {what}, far more than its size: if it is "
                    f"sound, unpack it yourself or set {RATIO}=1000"
                )
        return count


def setting(variable: str, default: int) -> int:
    """A limit that the environment may move.

    Raises:
        ValueError: the variable holds no positive integer.
    """
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not int(text):
        raise ValueError(f"the environment variable {variable}={text} must be a positive integer")
    return int(text)


@contextmanager
def unpacked(packed: BinaryIO, as_rows: bool = True) -> Iterator[BinaryIO]:
    """The content of an open file, packed with gzip or not; see `Bounded` for `as_rows`."""
    zipped = packed.read(2) == GZIP
    packed.seek(0)
    if not zipped:
        yield packed
        return
    size = os.fstat(packed.fileno()).st_size
    with gzip.GzipFile(fileobj=packed) as stream:
        yield io.BufferedReader(Bounded(stream, size, str(packed.name), as_rows), READ)


@contextmanager
def checked(packed: BinaryIO, name: Path, as_rows: bool = True) -> Iterator[BinaryIO]:
    """As `unpacked`, but refuses what is no text."""
    with unpacked(packed, as_rows) as stream:
        refuse_binary(stream, name)
        yield stream


def refuse_binary(stream: BinaryIO, name: Path) -> None:
    """Looks at the beginning of what should be text.

    Raises:
        ValueError: it holds a zero byte, as text in UTF-8 never does.
    """
    assert isinstance(stream, io.BufferedReader)
    head = stream.peek(HEAD)[:HEAD]
    if b"\0" in head:
        utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
        what = "text in UTF-16: save it in UTF-8" if utf16 else "a binary file, no text: take it out, or convert it"
        raise ValueError(f"{name} is {what}")


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """A text file, packed with gzip or not, as UTF-8; undecodable bytes become U+FFFD.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with (
            path.open("rb") as packed,
            checked(packed, path) as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="") as file,
        ):
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
