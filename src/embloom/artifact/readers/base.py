"""What turns raw inputs (files, images, texts, rows of a table) into the tensors that an encoder takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


@dataclass
class Part:
    """Some of the inputs: what they are called, and what a reader's `__call__` takes."""

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


class Reader(ABC):
    """Derive your own from this: the artifact keeps what `options` says, and builds the reader again from it.

    Attributes:
        kind: one word for what it reads.
        example: inputs in Python, for the card.
    """

    kind: ClassVar[str] = "rows"
    example: ClassVar[str] = ""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """The constructor's arguments that make this reader again, as JSON has them; without `keys`."""

    @abstractmethod
    def __call__(self, inputs: Any) -> dict[str, Tensor]:
        """Inputs in memory -> tensors by the names of the dataset's columns, as its `transform` leaves them.

        Raises:
            ValueError: they are none of what it reads.
        """

    def whole(self, inputs: Any, column: str | None = None) -> Any:
        """Inputs in memory as what can be parted by samples: a single one as one of several, a data frame as what is
        read of it.

        Args:
            inputs: see `__call__`.
            column: of a data frame: which column, where only one is read.
        """
        return inputs

    def given(self, columns: Mapping[str, Any]) -> dict[str, Tensor]:
        """Columns that need no reading: numbers already, by name.

        Raises:
            ValueError: one is no column of numbers.
        """
        found = {name: as_numbers(name, column) for name, column in columns.items()}
        return {name: column.float() if column.is_floating_point() else column for name, column in found.items()}

    @abstractmethod
    def open(self, path: str, column: str | None, size: int) -> Inputs:
        """What a path stands for, read in parts.

        Args:
            path: a file, a folder or a glob.
            column: of a table: which column.
            size: inputs in a part.

        Raises:
            ValueError: nothing is there, or it cannot be read.
        """

    def files(self, path: str, column: str | None) -> list[Path] | None:
        """The files that a path stands for, where each is one input that `of_files` reads; None where inputs are rows
        of one file.

        Raises:
            ValueError: nothing is there.
        """
        return None

    def of_files(self, files: Sequence[Path], size: int) -> Iterator[Part]:
        """What such files hold, a part at a time, called by their paths.

        Raises:
            ValueError: one cannot be read.
        """
        raise NotImplementedError

    @abstractmethod
    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """For each of its tensors an example, and the names of the dimensions that are free, to trace with."""

    def restored(self, rows: Tensor) -> Any:
        """What an encoder's decoder says, (N, features), as inputs; here as it is."""
        return rows

    def described(self) -> dict[str, Any]:
        """For the artifact's card."""
        return {"_target_": f"{type(self).__module__}.{type(self).__qualname__}", **self.options()}


def as_numbers(name: str, values: Any) -> Tensor:
    """A column as it was given, as a tensor.

    Raises:
        ValueError: it holds something else than numbers.
    """
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"the input '{name}' takes numbers: {error}") from error


def in_parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items."""
    stream = iter(items)
    while some := list(islice(stream, size)):
        yield some


def numbered(items: Iterable[Any], size: int) -> Iterator[Part]:
    """Parts of items that are called by their numbers, from 0."""
    done = 0
    for some in in_parts(items, size):
        yield Part([str(done + i) for i in range(len(some))], some)
        done += len(some)


def slices(inputs: Any, size: int) -> Iterator[Any]:
    """Inputs in memory in parts of `size`: lists, arrays and tensors, and each column of a mapping; what cannot be
    sliced by samples (words in a row, with their lengths; one value a column; columns that do not fit together; a data
    frame without a shape) stays whole."""
    if isinstance(inputs, Iterator):
        yield from in_parts(inputs, size)
    elif isinstance(inputs, Mapping):
        columns = dict(inputs)
        lengths = {length_of(column) for column in columns.values()}
        if "length" in columns or len(lengths) != 1 or None in lengths:
            yield columns
            return
        for start in range(0, lengths.pop() or 0, size):
            yield {name: column[start : start + size] for name, column in columns.items()}
    elif hasattr(inputs, "columns") and not hasattr(inputs, "shape"):
        yield inputs
    elif isinstance(inputs, str) or not (isinstance(inputs, Sequence) or hasattr(inputs, "shape")):
        yield [inputs]
    else:
        for start in range(0, len(inputs), size):
            yield inputs[start : start + size]


def column_of(inputs: Any, column: str | None, usual: str) -> Any:
    """A column of a data frame as a list, another column of data (a series, an array of texts) likewise; other inputs
    as they are.

    Raises:
        ValueError: it has several columns, and nobody says which one.
    """
    if isinstance(inputs, Mapping):
        return inputs
    if hasattr(inputs, "columns"):
        names = [str(name) for name in getattr(inputs, "column_names", inputs.columns)]
        chosen = column or (names[0] if len(names) == 1 else usual)
        if chosen not in names:
            raise ValueError(f"the table has no column '{chosen}' but {', '.join(names)[:200]}: name one, column=...")
        inputs = inputs[chosen]
    elif column is not None:
        raise ValueError(f"column={column!r} is for tables, and this is none")
    kind = getattr(getattr(inputs, "dtype", None), "kind", "O" if hasattr(inputs, "to_list") else "")
    if kind in ("O", "U", "T") and hasattr(inputs, "tolist"):
        return list(inputs.tolist())
    return list(inputs.to_list()) if kind == "O" and hasattr(inputs, "to_list") else inputs


def length_of(column: Any) -> int | None:
    """How many samples a column has; None where it is a single value."""
    return None if isinstance(column, str) or not hasattr(column, "__len__") else len(column)
