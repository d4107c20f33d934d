"""From files of interactions and attributes to the columns of splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.data.base import SPLITS, RowClasses, Split
from embloom.data.films import Films
from embloom.data.interaction_attributes import Attribute, read_attributes
from embloom.data.interaction_cache import Interactions, open_interactions
from embloom.data.interaction_features import classes_of, features_of, renamed
from embloom.data.interaction_filters import InteractionFilter
from embloom.data.interaction_format import InteractionColumns
from embloom.data.interaction_matching import matched
from embloom.data.interaction_splits import InteractionSplit
from embloom.data.table_rows import say
from embloom.data.text import corpus_bar

Columns = dict[Split, dict[str, Tensor]]
STAND_IN = 10_000


@dataclass
class Reading:
    """What was read.

    Attributes:
        columns: of each split `user` and `item` (P,), int32, people in ascending order, and `rating` (P,), if any.
        names: `user` and `item` -> what they are called.
        features: the same -> (N, F) what is known of them.
        classes: the same -> attribute -> classes.
    """

    columns: Columns
    names: dict[str, list[str]]
    features: dict[str, Tensor] = field(default_factory=dict)
    classes: dict[str, dict[str, RowClasses]] = field(default_factory=dict)


@dataclass(frozen=True)
class InteractionSource:
    """Where interactions come from; see `embloom.data.interactions.Interactions` for what the options mean.

    Attributes:
        tables: `item` and `user` -> the table of what is known of them, and its column of ids.
    """

    path: str | None
    test: str | None
    named: InteractionColumns
    format: str
    keep: InteractionFilter
    split: InteractionSplit
    tables: Mapping[str, tuple[str | None, str | None]]
    title: str | None
    workers: int
    cache: Path

    def read(self) -> Reading:
        """Reads everything; what was left out is said on standard error.

        Raises:
            ValueError: something cannot be read, or nothing is left.
        """
        films = Films()
        found, said = self.keep(built_in(films) if self.path is None else self.opened(self.path, "dataset.path"))
        parts = self.split(found, test=self.test is None)
        for line in filter(None, (said, *parts.said)):
            say(line)
        train = parts.train
        people = np.repeat(np.arange(len(train.user_names)), np.diff(train.offsets))
        columns: Columns = {"train": as_columns(people, train.items, train.ratings)}
        held = dict(parts.held)
        if self.test is not None:
            held["test"], lines = matched(train, self.opened(self.test, "dataset.test"), self.named, self.format)
            for line in lines:
                say(line)
        columns |= {split: as_columns(some.user, some.item, some.rating) for split, some in held.items()}
        for split in SPLITS:
            columns[split] = columns.get(split) or stand_in(split, columns)
        reading = Reading(columns, {"user": train.user_names, "item": train.item_names})
        self.describe(reading, films.attributes(train.item_names) if self.path is None else {})
        return reading

    def opened(self, path: str, where: str) -> Interactions:
        """The interactions of a path."""
        with corpus_bar() as progress:
            return open_interactions(path, self.named, self.cache, self.workers, progress, self.format, where)

    def describe(self, reading: Reading, known: Mapping[str, Attribute]) -> None:
        """Adds what is known of items and people; items are called by their titles where that is wanted."""
        for column, (path, key) in self.tables.items():
            attributes = dict(known) if column == "item" else {}
            if path is not None:
                attributes, lines = read_attributes(
                    Path(path), reading.names[column], column, key, f"dataset.{column}s"
                )
                for line in lines:
                    say(line)
            reading.classes[column] = classes_of(attributes)
            features = features_of(attributes)
            if features is not None:
                reading.features[column] = features
            if column == "item" and self.title is not None:
                titles = attributes.get(self.title)
                if titles is None or titles.codes is None:
                    there = ", ".join(attributes)
                    raise ValueError(
                        f"title={self.title}: dataset.items={path} has no such column of texts but {there}"
                    )
                reading.names[column] = renamed(reading.names[column], titles)


def stand_in(split: Split, columns: Columns) -> dict[str, Tensor]:
    """Where nothing is held out for a split, another one takes its place."""
    if split == "test" and "val" in columns:
        say("nothing is held out for the test: the figures of the test are those of validation")
        return columns["val"]
    say(f"nothing is held out for {split}: {split}/loss and its figures are of pairs that training has")
    train = columns["train"]
    rows = torch.arange(0, len(train["item"]), max(1, len(train["item"]) // STAND_IN))
    return {name: column[rows] for name, column in train.items()}


def as_columns(user: Any, item: Any, rating: Any) -> dict[str, Tensor]:
    """Arrays (P,) as the columns of a split; people in ascending order."""
    order = np.argsort(user, kind="stable")
    arrays = {"item": (item, np.int32), "user": (user, np.int32), "rating": (rating, np.float32)}
    return {
        name: torch.from_numpy(np.ascontiguousarray(np.asarray(values)[order], kind))
        for name, (values, kind) in arrays.items()
        if values is not None
    }


def built_in(films: Films) -> Interactions:
    """Films that people made up watched."""
    offsets = np.concatenate([[0], np.cumsum(np.bincount(films.user, minlength=len(films.people)))]).astype(np.int64)
    return Interactions(offsets, films.item.astype(np.int32), None, None, films.people, films.films, {}, "built-in")
