"""Numbers for the ids of people and items.

An id that is written as a plain integer is that number; any other gets a negative number of its own. So most files
never become Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
DENSE = 1 << 24  # smaller integers are marked in a table
MOST_PENDING = 1 << 22
DIGITS = 18  # an integer of so many fits 64 bits


class RowError(ValueError):
    """What is wrong with a row of a block.

    Args:
        row: its number in the block, from 0.
        what: the message.
    """

    def __init__(self, row: int, what: str) -> None:
        super().__init__(row, what)
        self.row, self.what = row, what


@dataclass
class Rows:
    """Some interactions, in the order of the file."""

    users: Codes
    items: Codes
    ratings: NDArray[np.float32] | None
    times: NDArray[np.float64] | None
    lines: NDArray[np.int64] | None = None  # of a block, from 0, where a line has several rows


class Ids(dict[bytes, int]):
    """Numbers for the ids of a column, and which there were.

    Attributes:
        names: the ids that are no plain integers, encoded; -1 - n is the number of the n-th.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[bytes] = []
        self.small = np.zeros(1 << 10, np.bool_)
        self.pending: list[Codes] = []
        self.held = 0

    def __missing__(self, cell: bytes) -> int:
        text = cell.strip()
        if text != cell:
            number = self[text]
        elif is_plain(text):
            number = int(text)
        elif not text:
            raise ValueError("empty")
        else:
            text.decode()  # refuses what is no text
            self.names.append(text)
            number = -len(self.names)
        self[cell] = number
        return number

    def of(self, cells: Sequence[bytes], what: str) -> Codes:
        """The numbers of cells.

        Raises:
            RowError: one is empty, or no text.
        """
        try:
            return np.fromiter(map(self.__getitem__, cells), np.int64, len(cells))
        except ValueError:
            for row, cell in enumerate(cells):
                try:
                    self[cell]
                except UnicodeDecodeError:
                    raise RowError(row, f"the {what} {cell[:40]!r} is no text in UTF-8: save the file in it") from None
                except ValueError:
                    raise RowError(row, f"the {what} is empty: correct it, or take the row out") from None
            raise

    def saw(self, codes: Codes) -> None:
        """Remembers the integers among numbers."""
        if not len(codes) or codes.max() < 0:
            return
        if codes.min() < 0:
            codes = codes[codes >= 0]
        if codes.max() >= DENSE:
            large = np.unique(codes[codes >= DENSE])
            self.pending.append(large)
            self.held += len(large)
            if self.held > max(MOST_PENDING, 2 * len(self.pending[0])):
                self.pending = [np.unique(np.concatenate(self.pending))]
                self.held = len(self.pending[0])
            codes = codes[codes < DENSE]
        top = int(codes.max(initial=0))
        if top >= len(self.small):
            self.small = np.concatenate([self.small, np.zeros(2 * top + 1 - len(self.small), np.bool_)])
        self.small[codes] = True

    def integers(self) -> Codes:
        """All that were seen, in order."""
        return np.unique(np.concatenate([np.flatnonzero(self.small), *self.pending]).astype(np.int64))


def is_plain(text: bytes) -> bool:
    """Whether a text is an integer in the one way that one is written."""
    return len(text) <= DIGITS and text.isdigit() and (text[0] != 48 or len(text) == 1)
