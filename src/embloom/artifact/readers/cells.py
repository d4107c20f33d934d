"""Cells of a table's column, whatever they come as, to numbers or to category numbers; whole columns at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.files.table_parts import Cells

# What pandas takes for missing, and the ? of the UCI repository.
MISSING = frozenset([
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "NaT", "None", "n/a", "nan", "null", "?",
])  # fmt: skip
WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0+")
Numbers = NDArray[np.float64]  # NaN where one is missing


@dataclass
class Coded:
    """Categories: for each row the number of its text; the text of what is missing is ''."""

    codes: NDArray[np.int32]
    texts: list[str]


class Codes(dict[str, int]):
    """Numbers texts as they come; spellings of the same category get the same number."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def __missing__(self, cell: str) -> int:
        text = text_of(cell)
        if text == cell:
            self.texts.append(text)
            self[cell] = len(self.texts) - 1
        else:
            self[cell] = self[text]
        return self[cell]

    def of(self, cells: Cells) -> NDArray[np.int32]:
        """The numbers of a column's cells."""
        if isinstance(cells, np.ndarray):
            values, places = np.unique(cells, return_inverse=True)
            return np.array([self[text_of(value)] for value in values], np.int32)[places]
        return np.fromiter(map(self.__getitem__, cells), np.int32, len(cells))


def text_of(value: Any) -> str:
    """A cell as the name of a category: without blanks around it, '' where it is missing; 1.0 is 1."""
    text = str(value).strip()
    if text in MISSING:
        return ""
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else text


def as_cells(values: Any, name: str) -> Cells:
    """A column that is in memory: a list, an array, a tensor, or a column of a data frame.

    Raises:
        ValueError: it is no column.
    """
    if isinstance(values, (list, tuple)):
        if all(issubclass(kind, str) for kind in set(map(type, values))):
            return values
        if not all(numeric(kind) for kind in set(map(type, values))):
            return [text_of(value) for value in values]
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the column '{name}' takes a list of numbers or texts: {error}") from error
    if array.ndim != 1:
        raise ValueError(f"the column '{name}' takes one value for each row, and has the shape {array.shape}")
    return array if array.dtype.kind in "iuf" else [text_of(value) for value in array.tolist()]


def numeric(kind: type) -> bool:
    """Whether values of a type are numbers; true and false are none."""
    return issubclass(kind, (int, float, np.integer, np.floating)) and kind is not bool


def parsed(cells: Cells) -> Numbers | None:
    """The numbers of cells; None where one is neither a number nor missing."""
    if isinstance(cells, np.ndarray):
        return cells.astype(np.float64)
    try:
        found = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        filled = ["nan" if cell.strip() in MISSING else cell for cell in cells]
        try:
            found = np.fromiter(map(float, filled), np.float64, len(cells))
        except ValueError:
            return None
    # Python reads 1_000 as a number; in a table it is none.
    return None if "_" in "".join(cells) else found


def is_cell_of_numbers(cell: str) -> bool:
    """Whether a column of numbers may have such a cell."""
    return parsed([cell]) is not None


def numbers_of(cells: Cells, name: str, place: Callable[[int], str]) -> Numbers:
    """The numbers of a column of numbers.

    Args:
        cells: of the column.
        name: of the column.
        place: row in `cells` -> where it stands, for messages.

    Raises:
        ValueError: a cell is no finite number, nor missing.
    """
    found = parsed(cells)
    if found is None:
        row, cell = next((i, cell) for i, cell in enumerate(cells) if not is_cell_of_numbers(cell))
        raise ValueError(
            f"{place(row)}'{shown(cell)}' in the column '{name}' is no number: correct it, or leave the cell empty"
        )
    return finite(found, cells, name, place)


def finite(numbers: Numbers, cells: Cells, name: str, place: Callable[[int], str]) -> Numbers:
    """Raises:
    ValueError: a number is infinite, or larger than any that a computer has.
    """
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(
            f"{place(row)}{shown(cells[row])} in the column '{name}' is no finite number: correct it, or leave the "
            "cell empty"
        )
    return numbers


def shown(cell: object, most: int = 40) -> str:
    """A text for a message, cut short."""
    text = " ".join(str(cell).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def sorted_texts(texts: Sequence[str]) -> list[str]:
    """Texts in order: as numbers where all are."""
    try:
        return sorted(texts, key=lambda text: (float(text), text))
    except ValueError:
        return sorted(texts)


def moments(numbers: Numbers) -> tuple[float, float]:
    """Mean and standard deviation; (value, 0) where all are the same."""
    if not len(numbers):
        return 0.0, 0.0
    low, high = float(numbers.min()), float(numbers.max())
    size = max(abs(low), abs(high))
    if low == high or size < 1e-300:
        return low, 0.0
    # Squares of what is very large or small would not fit.
    scaled = numbers / size
    return float(scaled.mean() * size), float(scaled.std() * size)
