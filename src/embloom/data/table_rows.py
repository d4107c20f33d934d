"""The rows of one table: the values of its columns, and the class of each row where there is a label."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.artifact.readers.cells import Coded, sorted_texts
from embloom.artifact.readers.table import CATEGORICAL, NUMERIC, Values
from embloom.data.table_columns import check_useful, gathered
from embloom.files.table_parts import TableSource

FEW = 10  # classes that even a table of a few rows may have
ADVICE = "name the column of the classes with dataset.label=..., or dataset.label=null for none"


@dataclass
class Rows:
    """What a table holds.

    Attributes:
        title: what the table is called, for messages.
        values: column -> its values.
        count: how many rows.
        label: the column of the classes.
        classes: the class of each row, by its text; None where there is no label.
    """

    title: str
    values: dict[str, Values]
    count: int
    label: str | None = None
    classes: Coded | None = None

    def kinds(self) -> dict[str, str | None]:
        """What each column holds."""
        return {name: CATEGORICAL if isinstance(found, Coded) else NUMERIC for name, found in self.values.items()}

    def class_names(self) -> list[str]:
        """The names of the classes, in order; none where there is no label.

        Raises:
            ValueError: there are fewer than two, or nearly as many as rows.
        """
        if self.classes is None:
            return []
        names = sorted_texts([text for text in self.classes.texts if text])
        where = f"the column '{self.label}' of {self.title}"
        if len(names) < 2:
            raise ValueError(f"{where} has only the class '{names[0]}', and it takes two or more: {ADVICE}")
        if len(names) > max(FEW, self.count / 2):
            raise ValueError(
                f"{where} has {len(names):,} different values in {self.count:,} rows, which are no classes: {ADVICE}"
            )
        return names

    def class_numbers(self, names: Sequence[str]) -> Tensor:
        """The class of each row (N,); 0 where there is no label.

        Raises:
            ValueError: a class is none of these.
        """
        if self.classes is None:
            return torch.zeros(self.count, dtype=torch.int64)
        number = {name: i for i, name in enumerate(names)}
        unknown = [text for text in self.classes.texts if text and text not in number]
        if unknown:
            raise ValueError(f"{self.title} has a class that the training rows do not: '{unknown[0]}'")
        places = np.array([number.get(text, -1) for text in self.classes.texts], np.int64)
        return torch.from_numpy(places[self.classes.codes])

    def labelled(self) -> Rows:
        """The rows that have a label; says how many have not.

        Raises:
            ValueError: none has.
        """
        if self.classes is None:
            return self
        kept = np.array([bool(text) for text in self.classes.texts], bool)[self.classes.codes]
        if kept.all():
            return self
        if not kept.any():
            raise ValueError(f"the column '{self.label}' of {self.title} has no value in any row: {ADVICE}")
        left_out = int((~kept).sum())
        say(f"left out {left_out:,} of {self.count:,} rows of {self.title}: their '{self.label}' is missing")
        values = {name: some(found, kept) for name, found in self.values.items()}
        codes = Coded(self.classes.codes[kept], self.classes.texts)
        return Rows(self.title, values, self.count - left_out, self.label, codes)


def read_rows(
    source: TableSource,
    kinds: Mapping[str, str | None],
    label: str | None,
    most: int | None = None,
    ignored: Sequence[str] | None = None,
) -> Rows:
    """Reads columns of a table, those rows that have a label.

    Args:
        source: the table.
        kinds: column -> what it holds, None to find out.
        label: the column of the classes.
        most: categories of a column at most.
        ignored: what is ignored already, for advice on columns that cannot be used; None does not ask if they can.

    Raises:
        ValueError: it cannot be read, or there is no row.
    """
    every = {**kinds, **({} if label is None else {label: CATEGORICAL})}
    columns = gathered(source, every, {name: None if name == label else most for name in every})
    count = next(iter(columns.values())).count
    if not count:
        raise ValueError(f"{source.title} has no rows below the names of its columns")
    classes = columns.pop(label).values if label is not None else None
    assert classes is None or isinstance(classes, Coded)
    if ignored is not None:
        check_useful(source, columns, ignored)
    values = {name: columns.pop(name).values for name in list(columns)}
    return Rows(source.title, values, count, label, classes).labelled()


def some(values: Values, kept: NDArray[np.bool_]) -> Values:
    """Some of a column's values."""
    return Coded(values.codes[kept], values.texts) if isinstance(values, Coded) else values[kept]


def say(line: str) -> None:
    """What was found in the data, apart from the output of commands."""
    print(line, file=sys.stderr)
