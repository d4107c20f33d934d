"""A block of a file of interactions to arrays: numbers for people and items, ratings, times; nothing needs torch."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.data.interaction_files.cells import PAD, Cells, Texts, csv_cells, even_cells, moments_of, numbers, seconds
from embloom.data.interaction_files.format import Layout
from embloom.data.interaction_files.ids import Codes, Ids, RowError, Rows
from embloom.data.interaction_files.parquet import group_start, parquet_rows
from embloom.files.line_blocks import LineBlock

MOST_RATINGS = 1000  # different ones that are remembered


class Parser:
    """Reads blocks of files of one layout.

    Args:
        layout: of the files.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.users, self.items = Ids(), Ids()
        self.known: tuple[NDArray[np.uint64], NDArray[np.float32]] | None = None

    def rows(self, item: Any) -> Rows:
        """The rows of a block of text, or of the part of a Parquet file that `(path, row group)` names.

        Raises:
            ValueError: a row cannot be read; it names its line.
        """
        if self.layout.kind == "parquet":
            found = parquet_rows(self.layout.names, self.users, self.items, *item)
        else:
            try:
                found = self.text_rows(item)
            except RowError as error:
                raise ValueError(f"{text_place(item, self.layout, error.row)}: {error.what}") from None
        self.users.saw(found.users)
        self.items.saw(found.items)
        return found

    def place(self, item: Any, rows: Rows, row: int) -> str:
        """Where a row of what `rows` returned stands, for messages."""
        if self.layout.kind == "parquet":
            return f"{item[0]}, row {group_start(*item) + row + 1}"
        return text_place(item, self.layout, row if rows.lines is None else int(rows.lines[row]))

    def text_rows(self, block: LineBlock) -> Rows:
        """Rows of text: at once where each line has the same plain cells, else line by line."""
        data = block.data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        if self.layout.kind == "lines":
            return self.listed(data)
        if self.layout.header and block.line == 1:
            data = after_header(data)
        data = data.rstrip(b"\n") + b"\n" if data.strip() else b""
        mark = self.layout.delimiter
        if len(mark) > 1:
            data, mark = data.replace(mark, b"\x1f"), b"\x1f"
        if b'"' not in data:
            cells = even_cells(data, mark[0], self.layout.width)
            if cells is not None:
                return self.rows_of(cells)
        return self.rows_of(Texts(csv_cells(data, mark, self.layout.width)))

    def rows_of(self, cells: Cells | Texts) -> Rows:
        """Rows from cells that are found."""
        user, item, rating, time = self.layout.places
        assert user is not None
        assert item is not None
        return Rows(
            self.ids(cells, user, self.users, "user"),
            self.ids(cells, item, self.items, "item"),
            None if rating is None else self.ratings(cells, rating),
            None if time is None else self.times(cells, time),
        )

    def listed(self, data: bytes) -> Rows:
        """Lines of a person and their items."""
        padded = np.frombuffer(b"\0" * PAD + data + b"\n", np.uint8)
        text = padded[PAD - 1 :].copy()
        text[0] = 10
        blank = (text == 32) | (text == 10) | (text == 9)
        starts = np.flatnonzero(blank[:-1] & ~blank[1:]) + PAD
        ends = np.flatnonzero(~blank[:-1] & blank[1:]) + PAD
        line = np.searchsorted(np.flatnonzero(text[1:] == 10) + PAD, starts)
        first = np.ones(len(line), np.bool_)
        first[1:] = line[1:] != line[:-1]
        people, cells = np.flatnonzero(first), Cells(padded, starts[:, None], ends[:, None])
        counts = np.diff(np.append(people, len(starts))) - 1
        people, counts = people[counts > 0], counts[counts > 0]
        places = {"user": people, "item": np.flatnonzero(~first)}
        try:
            users = self.ids(cells.some(places["user"]), 0, self.users, what := "user")
            items = self.ids(cells.some(places["item"]), 0, self.items, what := "item")
        except RowError as error:
            raise RowError(int(line[places[what][error.row]]), error.what) from None
        return Rows(np.repeat(users, counts), items, None, None, line[places["item"]])

    def ids(self, cells: Cells | Texts, place: int, ids: Ids, what: str) -> Codes:
        """The numbers of a column of ids."""
        if isinstance(cells, Texts):
            return ids.of(cells.bytes(place), what)
        values, good = cells.integers(place)
        if not good.all():
            bad = np.flatnonzero(~good)
            try:
                values[bad] = ids.of(cells.bytes(place, bad), what)
            except RowError as error:
                raise RowError(int(bad[error.row]), error.what) from None
        return values

    def ratings(self, cells: Cells | Texts, place: int) -> NDArray[np.float32]:
        """A column of numbers, most of which are the same few."""
        keyed = cells if isinstance(cells, Cells) else None
        keys = keyed.keys(place) if keyed else None
        if keyed is None or keys is None:
            return np.array(numbers(cells.texts(place), "rating"), np.float32)
        if self.known is not None:
            near = np.searchsorted(self.known[0], keys).clip(max=len(self.known[0]) - 1)
            if (self.known[0][near] == keys).all():
                return self.known[1][near]
        distinct, first, where = np.unique(keys, return_index=True, return_inverse=True)
        try:
            values = np.array(numbers(keyed.texts(place, first), "rating"), np.float32)
        except RowError:
            numbers(cells.texts(place), "rating")  # the first in the file
            raise
        if 0 < len(distinct) < MOST_RATINGS:
            self.known = distinct, values
        return values[where]

    def times(self, cells: Cells | Texts, place: int) -> NDArray[np.float64]:
        """A column of seconds, or of dates."""
        if isinstance(cells, Cells):
            values, good = cells.integers(place)
            if good.all():
                return seconds(values.astype(np.float64))
        return seconds(np.array(moments_of(cells.texts(place)), np.float64))


def after_header(data: bytes) -> bytes:
    """A block without its first row that is not blank."""
    rows = csv.reader(io.StringIO(data.decode(errors="surrogateescape"), newline=""))
    next((row for row in rows if row), None)
    place = 0
    for _ in range(rows.line_num):
        place = data.find(b"\n", place) + 1 or len(data)
    return data[place:]


def text_place(block: LineBlock, layout: Layout, row: int) -> str:
    """The file and the line in which a row of a block (or a line of `lines`) begins."""
    return f"{block.path}, line {line_of(block, layout, row)}"


def line_of(block: LineBlock, layout: Layout, row: int) -> int:
    """See `text_place`."""
    data, header = block.data, layout.header and block.line == 1
    mark = layout.delimiter.decode()
    if layout.kind == "lines":
        return block.line + row
    text = data.decode(errors="replace").replace("::", "\x1f") if len(mark) > 1 else data.decode(errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\x1f" if len(mark) > 1 else mark)
    line = 0
    for cells in reader:
        row -= bool(cells) and not header
        header = header and not cells
        if row < 0:
            break
        line = reader.line_num
    return block.line + line
