"""The cells of a block of text, found at once or row by row, and what they hold: integers, numbers, dates."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.cells import shown
from embloom.data.interaction_files.ids import DIGITS, Codes, RowError
from embloom.files.tables import FIELD_LIMIT

PAD = 24  # bytes before a block, so that every cell's last 24 bytes are inside
LATEST = 1e11  # seconds
ZEROS = np.uint64(0x3030303030303030)


class Cells:
    """The cells of rows that all have as many.

    Args:
        text: the bytes, `PAD` of them before the first cell.
        starts: (rows, width) where each cell begins.
        ends: (rows, width) where each ends.
    """

    def __init__(self, text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self.text, self.starts, self.ends = text, starts, ends
        # Eight bytes from any place on, as one number.
        self.eights = np.ndarray((max(0, len(text) - 7),), "<u8", text.data, 0, (1,))

    def some(self, rows: NDArray[np.int64]) -> Cells:
        """Some of the rows."""
        return Cells(self.text, self.starts[rows], self.ends[rows])

    def bytes(self, place: int, rows: NDArray[np.int64] | None = None) -> list[bytes]:
        """The cells of a column."""
        chosen = slice(None) if rows is None else rows
        whole = self.text.tobytes()
        pairs = zip(self.starts[chosen, place].tolist(), self.ends[chosen, place].tolist(), strict=True)
        return [whole[start:end] for start, end in pairs]

    def texts(self, place: int, rows: NDArray[np.int64] | None = None) -> list[str]:
        """The cells of a column, as texts."""
        return [cell.decode(errors="replace") for cell in self.bytes(place, rows)]

    def keys(self, place: int) -> NDArray[np.uint64] | None:
        """A number for each cell of a column, equal where they are; None where one has more than eight bytes."""
        lengths = self.ends[:, place] - self.starts[:, place]
        if lengths.max(initial=0) > 8:
            return None
        return inside(self.eights[self.ends[:, place] - 8], lengths)[0]

    def integers(self, place: int) -> tuple[Codes, NDArray[np.bool_]]:
        """The integers in a column, and which of its cells are such, written in the one plain way."""
        starts, ends = self.starts[:, place], self.ends[:, place]
        lengths = ends - starts
        good = (lengths > 0) & (lengths <= DIGITS)
        good &= (self.text[starts] != 48) | (lengths == 1)
        values, scale = np.zeros(len(starts), np.int64), 1
        for part in range(min(3, -(-int(lengths.max(initial=0)) // 8))):
            left = np.clip(lengths - 8 * part, 0, 8)
            word, mask = inside(self.eights[ends - 8 * (part + 1)], left)
            digits = word | (ZEROS & ~mask)
            low = digits ^ ZEROS
            good &= ((low | (low + np.uint64(0x0606060606060606))) & np.uint64(0xF0F0F0F0F0F0F0F0)) == 0
            values += number_of(low).astype(np.int64) * scale
            scale *= 10**8
        return values, good


def inside(words: NDArray[np.uint64], lengths: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Words whose last `lengths` bytes count, with zeros for the others, and a mask of those that count."""
    masks = np.array([0, *(((1 << 8 * n) - 1) << (64 - 8 * n) for n in range(1, 9))], np.uint64)
    mask = masks[lengths]
    return words & mask, mask


def number_of(digits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Eight digits, the first in the lowest byte, as the number that they write; pairs, fours, eights at a time."""
    pairs = (digits * np.uint64(2561) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(6553601) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return fours * np.uint64(42949672960001) >> np.uint64(32)


class Texts:
    """The cells of rows that were read one by one.

    Args:
        rows: their cells.
    """

    def __init__(self, rows: list[list[str]]) -> None:
        self.columns = list(zip(*rows, strict=True))

    def texts(self, place: int) -> Sequence[str]:
        """The cells of a column."""
        return self.columns[place] if self.columns else ()

    def bytes(self, place: int) -> list[bytes]:
        """The cells of a column, encoded."""
        return [cell.encode(errors="surrogateescape") for cell in self.texts(place)]


def even_cells(data: bytes, mark: int, width: int) -> Cells | None:
    """The cells of lines; None where not every line has `width` of them."""
    text = np.frombuffer(b"\0" * PAD + data, np.uint8)
    cuts = np.flatnonzero((text == mark) | (text == 10))
    if len(cuts) % width:
        return None
    ends = cuts.reshape(-1, width)
    if data.count(b"\n") != len(ends) or (text[ends[:, -1]] != 10).any():
        return None
    starts = np.empty_like(cuts)
    starts[:1] = PAD
    starts[1:] = cuts[:-1] + 1
    return Cells(text, starts.reshape(-1, width), ends)


def csv_cells(data: bytes, mark: bytes, width: int) -> list[list[str]]:
    """The cells of rows, read one by one.

    Raises:
        RowError: a row has more cells or fewer.
    """
    found = []
    for row, cells in enumerate(csv_rows(data, mark)):
        if len(cells) != width:
            raise RowError(row, f"the row has {len(cells)} cells, and it takes {width}: correct it")
        found.append(cells)
    return found


def csv_rows(data: bytes, mark: bytes) -> Iterator[list[str]]:
    """Rows that are not blank; see `csv_cells`."""
    csv.field_size_limit(FIELD_LIMIT)
    text = io.StringIO(data.decode(errors="surrogateescape"), newline="")
    reader = csv.reader(text, delimiter=mark.decode(), strict=True)
    row = 0
    try:
        for cells in reader:
            if cells:
                yield cells
                row += 1
    except csv.Error as error:
        raise RowError(row, f"{error}: does a quote begin there that never ends, or is not doubled?") from error


def numbers(texts: Sequence[str], what: str) -> list[float]:
    """The finite numbers of a column.

    Raises:
        RowError: a cell is none.
    """
    try:
        found = [float(text) for text in texts]
        if all(map(math.isfinite, found)):
            return found
    except ValueError:
        pass
    row = next(row for row, text in enumerate(texts) if not is_finite(text))
    raise RowError(row, f"the {what} '{shown(texts[row])}' is no number: correct it, or do without, dataset.{what}=")


def is_finite(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def moments_of(texts: Sequence[str]) -> list[float]:
    """Numbers as they are, dates as seconds since 1970.

    Raises:
        RowError: a cell is neither.
    """
    found = []
    for row, text in enumerate(texts):
        try:
            found.append(moment_of(text))
        except ValueError:
            raise RowError(
                row,
                f"the time '{shown(text)}' is neither a number nor a date such as 2024-01-31 or 2024-01-31T12:00: "
                "correct it, or do without, dataset.time=",
            ) from None
    return found


def seconds(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times in seconds: numbers that would be beyond the year 5000 are milli-, micro- or nanoseconds."""
    for _ in range(3):
        if not len(times) or times.max() < LATEST:
            break
        times = np.where(times < LATEST, times, times / 1000)
    return times


def moment_of(text: str) -> float:
    """Seconds since 1970 of a number of them or of a date, which is in UTC where it says nothing else.

    Raises:
        ValueError: it is neither.
    """
    try:
        number = float(text)
    except ValueError:
        when = datetime.fromisoformat(text.strip())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(number):
        raise ValueError(text)
    return number
