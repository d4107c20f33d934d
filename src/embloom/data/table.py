"""Tables with a column of classes or without: numbers standardized, categories one-hot, any part of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from embloom.artifact.readers.cells import shown
from embloom.artifact.readers.table import CATEGORICAL, NUMERIC, TableReader
from embloom.assembly.build import did_you_mean
from embloom.assembly.parameters import positive_integers
from embloom.data.base import Batch, Phase, Split
from embloom.data.batches import Batches, even_size
from embloom.data.in_memory import InMemoryDataset
from embloom.data.splits import HeldOut
from embloom.data.table_columns import MOST_CATEGORIES, described
from embloom.data.table_rows import ADVICE, Rows, read_rows, say
from embloom.files.table_parts import MemoryTable, TableSource, open_table

LABEL = "label"


class Table(InMemoryDataset):
    """Columns `features`, `clean` (the same), and `label` where there is one.

    What a column holds is found out: numbers where every cell is one or missing, else categories. Means, deviations
    and categories are those of the training split.

    Args:
        path: a CSV, TSV or Parquet file, text packed or not; None is a set that scikit-learn brings along.
        test_path: the test rows, where `path` is the training rows alone; else `test_fraction` is held out.
        label: the column of the classes; None: there are none. Rows without one are left out.
        columns: only these; None is all.
        ignore: not these.
        numeric: columns that hold numbers, whatever they look like.
        categorical: columns that hold categories, though they look like numbers.
        max_categories: keep so many categories of a column, the most frequent ones in training; None: a column with
            more than 100 is an error.
        train_size: use only so many labels, as many of each class; null is all. Validation comes out of them.
        val_fraction: part of these rows held out for validation.
        test_fraction: part of the rows held out for the end where there is no test file.
        split_seed: draws both.

    Raises:
        ValueError: an option is out of range; on `measure`, the table cannot be read or used.
    """

    locations = ("path", "test_path")
    reader: TableReader

    def __init__(
        self,
        batch_size: int,
        path: str | None = None,
        test_path: str | None = None,
        label: str | None = LABEL,
        columns: str | Sequence[str] | None = None,
        ignore: str | Sequence[str] | None = None,
        numeric: str | Sequence[str] | None = None,
        categorical: str | Sequence[str] | None = None,
        max_categories: int | None = None,
        train_size: int | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        resident: bool | str = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, resident, seed)
        self.held_out = HeldOut(val_fraction, test_fraction, split_seed, train_size)
        if max_categories is not None:
            positive_integers(max_categories=max_categories)
        if test_path is not None and path is None:
            raise ValueError(f"test_path={test_path}: it needs dataset.path=FILE, the training rows")
        self.path = None if path is None else Path(path).expanduser()
        self.test_path = None if test_path is None else Path(test_path).expanduser()
        for key, place in (("path", self.path), ("test_path", self.test_path)):
            if place is not None and not place.is_file():
                raise ValueError(f"{key}={place} is no file: name a CSV, TSV or Parquet file")
        self.label = None if label is None else str(label)
        self.labels = () if self.label is None else (LABEL,)
        self.chosen, self.ignored = None if columns is None else listed(columns), listed(ignore)
        self.kinds: dict[str, str] = dict.fromkeys(listed(numeric), NUMERIC)
        if twice := [name for name in listed(categorical) if name in self.kinds]:
            raise ValueError(f"categorical={twice[0]}: it is in dataset.numeric too: leave it out of one")
        self.kinds |= dict.fromkeys(listed(categorical), CATEGORICAL)
        if self.label is not None and self.label in self.ignored:
            raise ValueError(f"ignore={self.label}: it is the label; for none, dataset.label=null")
        self.max_categories = max_categories
        self.found: dict[Split, dict[str, Tensor]] = {}

    def measure(self) -> None:
        """Reads everything: the features depend on what the columns hold."""
        source = built_in() if self.path is None else open_table(self.path, "dataset.path")
        names = self.features_of(source)
        most = MOST_CATEGORIES if self.max_categories is None else None
        kinds = {name: self.kinds.get(name) for name in names}
        found = {"train": read_rows(source, kinds, self.label, most, self.ignored)}
        classes = found["train"].class_names()
        if self.test_path is not None:
            found["test"] = self.read_test(self.test_path, found["train"].kinds())
        labels = {split: rows.class_numbers(classes) for split, rows in found.items()}
        parts = self.held_out.rows(
            labels["train"], max(1, len(classes)), f"dataset.path={source.title}", "rows", test="test" not in found
        )
        train, values = parts["train"].numpy(), found["train"].values
        self.reader = TableReader([described(name, values[name], train, self.max_categories) for name in names])
        self.sizes = {"features": self.reader.width, "clean": self.reader.width}
        if self.label is not None:
            self.sizes[LABEL], self.names = len(classes), {LABEL: classes}
        whole = {split: self.compact(rows, labels[split]) for split, rows in found.items()}
        self.found = {s: {n: column[rows] for n, column in whole["train"].items()} for s, rows in parts.items()}
        if "test" in whole:
            self.found["test"] = whole["test"]
        say(self.summary(found["train"]))

    def features_of(self, source: TableSource) -> list[str]:
        """The columns that are features.

        Raises:
            ValueError: a column that an option names is not there, or none is left.
        """
        asked = {"columns": self.chosen or [], "ignore": self.ignored, "numeric": [], "categorical": []}
        for name, kind in self.kinds.items():
            asked[kind].append(name)
        for key, names in asked.items():
            for name in names:
                if name not in source.names:
                    hint = did_you_mean(name, source.names)
                    raise ValueError(f"dataset.{key}: {source.title} has no column '{name}'; {hint}")
        if self.label is not None and self.label not in source.names:
            raise ValueError(
                f"{source.title} has no column '{self.label}' but {', '.join(source.names)[:200]}: {ADVICE}"
            )
        # Without a label, the classes of the built-in set are no features either.
        left_out = {*self.ignored, self.label, LABEL if self.path is None else None}
        wanted = source.names if self.chosen is None else self.chosen
        found = [name for name in dict.fromkeys(wanted) if name not in left_out]
        if not found:
            raise ValueError(f"{source.title} has no column that is left as a feature")
        return found

    def read_test(self, path: Path, kinds: Mapping[str, str | None]) -> Rows:
        """The test rows.

        Raises:
            ValueError: they lack a column, or cannot be read.
        """
        source = open_table(path, "dataset.test_path")
        missing = [name for name in (*kinds, self.label) if name is not None and name not in source.names]
        if missing:
            raise ValueError(
                f"dataset.test_path={path} has no column '{missing[0]}', which the training rows have, but "
                f"{', '.join(source.names)[:200]}"
            )
        return read_rows(source, kinds, self.label)

    def compact(self, rows: Rows, labels: Tensor) -> dict[str, Tensor]:
        """Rows as they are kept in memory: what is one-hot becomes so batch by batch."""
        numbers, hot = self.reader.compact(rows.values)
        return {"numbers": numbers, "hot": hot, **({} if self.label is None else {LABEL: labels})}

    def summary(self, rows: Rows) -> str:
        """What was found, in a line."""
        kinds = {"numbers": self.reader.numeric, "categories": self.reader.categorical}
        said = [f"{what}: {', '.join(str(c['name']) for c in columns)}" for what, columns in kinds.items() if columns]
        return "; ".join([f"{rows.title}: {rows.count:,} rows", *(shown(text, 160) for text in said)])

    def load(self) -> dict[Split, dict[str, Tensor]]:
        """What `measure` read."""
        return self.found

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """Standardised numbers, and categories one-hot."""
        features = self.reader.features(batch["numbers"], batch["hot"])
        kept = {name: column for name, column in batch.items() if name not in ("numbers", "hot")}
        return {**kept, "features": features, "clean": features}

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Batches of one split, shuffled by (seed, epoch) or in order."""
        count = self.rows()[split]
        size = even_size(count, self.batch_size)
        order = self.order(count, shuffle=shuffle, every_rank=every_rank, batch_size=size)
        return Batches(self.placed(self.columns[split]), order)


def built_in() -> MemoryTable:
    """569 tumors with 30 measurements each, malignant or benign (Wolberg et al. 1995, UCI)."""
    from sklearn.datasets import load_breast_cancer

    bundle = load_breast_cancer()
    columns = {str(name): bundle.data[:, i] for i, name in enumerate(bundle.feature_names)}
    label = [str(bundle.target_names[i]) for i in bundle.target]
    return MemoryTable("breast cancer (scikit-learn)", {**columns, LABEL: label})


def listed(names: str | Sequence[str] | None) -> list[str]:
    """Columns as people write them: a list, or one name alone."""
    return [] if names is None else [names] if isinstance(names, str) else [str(name) for name in names]
