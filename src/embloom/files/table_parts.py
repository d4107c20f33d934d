"""Tables on disk, read by their columns, a part at a time: CSV and TSV, packed or not, and Parquet."""

from __future__ import annotations

import csv
import math
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from embloom.files.finding import opened, unpacked
from embloom.files.tables import cells

Cells = Sequence[str] | NDArray[Any]  # text, or numbers where the file has such
ROWS = 256  # in a part: so few that their cells stay in the processor's cache, which is twice as fast
HEAD = 4096
WANTED = "name a CSV, TSV or Parquet file"
DELIMITERS = ";\t|,"  # instead of what the name of the file says
# What begins like this cannot be read, and what to do about it.
BINARY = {
    b"PK\x03\x04": "an Excel file or an archive: save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file: save the table as CSV",
    b"\xff\xfe": "text in UTF-16: save it in UTF-8",
    b"\xfe\xff": "text in UTF-16: save it in UTF-8",
}


@dataclass
class TablePart:
    """Some rows of a table.

    Attributes:
        start: the number of the first one, from 0.
        count: how many.
        columns: the cells of each column.
    """

    start: int
    count: int
    columns: dict[str, Cells]


class TableSource(ABC):
    """A table that can be gone through any number of times.

    Attributes:
        title: what it is called in messages.
        names: of the columns; those without a name are left out.
        count: how many rows, where that is known without reading.
    """

    title: str
    names: list[str]
    count: int | None = None

    @abstractmethod
    def parts(self, names: Sequence[str], size: int = ROWS) -> Iterator[TablePart]:
        """The rows, up to `size` at a time.

        Args:
            names: the columns to read.
            size: rows in a part.

        Raises:
            ValueError: a row cannot be read.
        """

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.title}, row {row}"


class CsvTable(TableSource):
    """CSV, or TSV by its name, packed or not; the first line names the columns.

    Args:
        path: the file.

    Raises:
        ValueError: there is no line of names, or two columns are called the same.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.title, self.delimiter = path, str(path), None
        self.header = self.read_header()
        if len(self.header) == 1:
            self.delimiter = next((d for d in DELIMITERS if d in self.header[0]), None)
            self.header = self.read_header()
        if self.header and all(is_number(name) for name in self.header):
            raise ValueError(f"{path} begins with a line of numbers: write a line with the names of the columns first")
        self.names = checked_names(self.header, path)

    def read_header(self) -> list[str]:
        """The names in the first line that is not blank."""
        with opened(self.path) as file:
            return [cell.strip() for cell in next(filter(None, cells(file, self.path, self.delimiter)), [])]

    def parts(self, names: Sequence[str], size: int = ROWS) -> Iterator[TablePart]:
        """See `TableSource`."""
        places = {name: self.header.index(name) for name in names}
        start = 0
        with opened(self.path) as file:
            reader = cells(file, self.path, self.delimiter)
            try:
                next(filter(None, reader), None)
                while rows := list(islice(reader, size)):
                    if set(map(len, rows)) != {len(self.header)}:
                        rows = self.even(rows, start)
                    columns = list(zip(*rows, strict=False))
                    if rows:
                        yield TablePart(start, len(rows), {name: columns[place] for name, place in places.items()})
                    start += len(rows)
            except csv.Error as error:
                raise ValueError(f"{self.path}, line {reader.line_num}: {error}") from error

    def even(self, rows: list[list[str]], start: int) -> list[list[str]]:
        """Rows without the blank lines among them.

        Raises:
            ValueError: one has more or fewer cells than there are names.
        """
        rows = [row for row in rows if row]
        for number, row in enumerate(rows):
            if len(row) != len(self.header):
                raise ValueError(
                    f"{self.place(start + number)}: the row has {len(row)} cells, and the line of names "
                    f"{len(self.header)}: correct it"
                )
        return rows

    def place(self, row: int) -> str:
        """The line of a row; reads the file once more up to there."""
        with opened(self.path) as file:
            reader = cells(file, self.path, self.delimiter)
            lines = (reader.line_num for found in reader if found)
            return f"{self.path}, line {next(islice(lines, row + 1, None), row + 2)}"


class ParquetTable(TableSource):
    """Parquet.

    Args:
        path: the file.

    Raises:
        ValueError: pyarrow is not installed, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.arrow, parquet = pyarrow()
        self.title = str(path)
        try:
            self.file = parquet.ParquetFile(path)
        except (OSError, self.arrow.ArrowException) as error:
            raise ValueError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
        # pandas keeps the numbers of rows in a column of this name.
        names = ["" if name.startswith("__index_level_") else name for name in self.file.schema_arrow.names]
        self.names, self.count = checked_names(names, path), self.file.metadata.num_rows

    def parts(self, names: Sequence[str], size: int = ROWS) -> Iterator[TablePart]:
        """See `TableSource`."""
        start = 0
        try:
            for batch in self.file.iter_batches(batch_size=size, columns=list(names)):
                found = {name: self.cells(batch.column(name), name) for name in names}
                yield TablePart(start, batch.num_rows, found)
                start += batch.num_rows
        except (OSError, self.arrow.ArrowException) as error:
            raise ValueError(f"cannot read {self.title}: {str(error).splitlines()[0]}") from error

    def cells(self, column: Any, name: str) -> Cells:
        """Numbers with NaN for what is missing, or texts with '' for it.

        Raises:
            ValueError: it holds neither.
        """
        types, kind = self.arrow.types, column.type
        if types.is_dictionary(kind):
            return self.cells(column.dictionary_decode(), name)
        if types.is_decimal(kind):
            column, kind = column.cast(self.arrow.float64()), self.arrow.float64()
        if types.is_integer(kind) or types.is_floating(kind):
            numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
            return numbers
        if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
            raise ValueError(f"{self.title}: the column '{name}' holds {kind}, neither numbers nor texts: leave it out")
        return ["" if value is None else str(value) for value in column.to_pylist()]


class MemoryTable(TableSource):
    """Columns in memory.

    Args:
        title: what it is called.
        columns: the cells of each.
    """

    def __init__(self, title: str, columns: dict[str, Cells]) -> None:
        self.title, self.columns, self.names = title, columns, list(columns)
        self.count = len(next(iter(columns.values())))

    def parts(self, names: Sequence[str], size: int = ROWS) -> Iterator[TablePart]:
        """See `TableSource`."""
        assert self.count is not None
        for start in range(0, self.count, size):
            found = {name: self.columns[name][start : start + size] for name in names}
            yield TablePart(start, min(size, self.count - start), found)


def open_table(path: Path, where: str = "") -> TableSource:
    """Opens a table, of the kind that its content says.

    Args:
        path: the file.
        where: the override that names it (`dataset.path`), for messages.

    Raises:
        ValueError: it is not there, no table, or cannot be read.
    """
    title = f"{where}={path}" if where else str(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise ValueError(f"{title} {what}: {WANTED}")
    try:
        with path.open("rb") as packed, unpacked(packed) as file:
            head = file.read(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if head.startswith(b"PAR1"):
        return ParquetTable(path)
    if not head.strip():
        raise ValueError(f"{title} is empty: it takes a line of names and rows below it")
    known = next((what for start, what in BINARY.items() if head.startswith(start)), None)
    if known or b"\0" in head:
        raise ValueError(f"{title} is {known or f'a binary file: {WANTED}'}")
    return CsvTable(path)


def checked_names(names: Sequence[str], path: Path) -> list[str]:
    """The names of columns; a column without one, such as the row numbers that pandas writes, is left out.

    Raises:
        ValueError: there is none, or two are the same.
    """
    found = [name for name in names if name]
    if not found:
        raise ValueError(f"{path} has no line with the names of its columns")
    twice = [name for name, times in Counter(found).items() if times > 1]
    if twice:
        raise ValueError(f"{path} has {found.count(twice[0])} columns '{twice[0]}': give each a name of its own")
    return found


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def pyarrow() -> tuple[Any, Any]:
    """The package, and its part for Parquet.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow: pip install 'embloom[parquet]'") from error
    return arrow, parquet
