"""Parquet files of interactions, a row group at a time; needs pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.data.interaction_files.cells import moments_of, numbers, seconds
from embloom.data.interaction_files.ids import Codes, Ids, RowError, Rows
from embloom.files.table_parts import pyarrow

ROWS = 1 << 18


def row_groups(path: Path) -> int:
    """How many row groups a file has."""
    _, parquet = pyarrow()
    return parquet.ParquetFile(path).num_row_groups


def group_start(path: Path, group: int) -> int:
    """How many rows come before a row group."""
    _, parquet = pyarrow()
    metadata = parquet.ParquetFile(path).metadata
    return sum(metadata.row_group(number).num_rows for number in range(group))


def parquet_rows(columns: Sequence[str | None], users: Ids, items: Ids, path: Path, group: int) -> Rows:
    """The interactions of a row group.

    Args:
        columns: of the people, the items, the ratings and the times.
        users: numbers people.
        items: numbers items.
        path: the file.
        group: which one.

    Raises:
        ValueError: a row cannot be read; the message names it.
    """
    arrow, parquet = pyarrow()
    user, item, rating, time = columns
    assert user is not None
    assert item is not None
    found: list[Rows] = []
    start = 0
    try:
        file = parquet.ParquetFile(path)
        start = group_start(path, group)
        names = [name for name in columns if name is not None]
        for batch in file.iter_batches(ROWS, [group], names):
            cells = {name: batch.column(name) for name in names}
            found.append(
                Rows(
                    ids_in(cells[user], users, "user", arrow),
                    ids_in(cells[item], items, "item", arrow),
                    None if rating is None else numbers_in(cells[rating], arrow).astype(np.float32),
                    None if time is None else seconds_in(cells[time], arrow),
                )
            )
            start += batch.num_rows
    except RowError as error:
        raise ValueError(f"{path}, row {start + error.row + 1}: {error.what}") from None
    except (OSError, arrow.ArrowException) as error:
        raise ValueError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    return Rows(*(joined([getattr(rows, name) for rows in found]) for name in ("users", "items", "ratings", "times")))


def joined(parts: list[Any]) -> Any:
    """Parts of a column, or None."""
    if not parts:
        return np.zeros(0, np.int64)
    return None if parts[0] is None else np.concatenate(parts)


def ids_in(column: Any, ids: Ids, what: str, arrow: Any) -> Codes:
    """The numbers of ids.

    Raises:
        RowError: one is missing.
    """
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise RowError(row, f"the {what} is empty: correct it, or take the row out")
    if arrow.types.is_floating(column.type):  # integers, where pandas saw a gap in some of them
        values = column.to_numpy(zero_copy_only=False)
        if (values == np.floor(values)).all():
            column = column.cast(arrow.int64())
    if arrow.types.is_integer(column.type):
        values = column.to_numpy(zero_copy_only=False)
        if not len(values) or (values.min() >= 0 and values.max() < 10**18):
            return values.astype(np.int64)
    texts = column.dictionary_encode() if not arrow.types.is_dictionary(column.type) else column
    known = ids.of([str(value).encode() for value in texts.dictionary.to_pylist()], what)
    return known[texts.indices.to_numpy(zero_copy_only=False)]


def numbers_in(column: Any, arrow: Any) -> NDArray[np.float64]:
    """Finite numbers.

    Raises:
        RowError: one is missing, or no number.
    """
    if not (arrow.types.is_integer(column.type) or arrow.types.is_floating(column.type)):
        return np.array(numbers([str(value) for value in column.to_pylist()], "rating"))
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise RowError(row, "the rating is no number: correct it, or do without, dataset.rating=")
    return values


def seconds_in(column: Any, arrow: Any) -> NDArray[np.float64]:
    """Numbers as they are, dates as seconds since 1970.

    Raises:
        RowError: one is missing, or neither.
    """
    if arrow.types.is_date(column.type):
        column = column.cast(arrow.timestamp("us"))
    if arrow.types.is_timestamp(column.type) and not column.null_count:
        return column.cast(arrow.timestamp("us"), safe=False).cast(arrow.int64()).to_numpy(zero_copy_only=False) / 1e6
    return seconds(np.array(moments_of([str(value) for value in column.to_pylist()]), np.float64))
