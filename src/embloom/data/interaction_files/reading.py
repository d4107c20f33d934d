"""From files of interactions and attributes to the columns of splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.readers.attributes import AttributesReader
from embloom.assembly.parameters import choices
from embloom.data.base import SPLITS, RowClasses, Split
from embloom.data.batches import as_tensor
from embloom.data.corpus import bincount
from embloom.data.films import Films
from embloom.data.interaction_files.attributes import Attribute, read_attributes
from embloom.data.interaction_files.cache import InteractionLog, open_interactions
from embloom.data.interaction_files.features import classes_of, features_of, reader_of, renamed
from embloom.data.interaction_files.filters import InteractionFilter
from embloom.data.interaction_files.format import FORMATS, InteractionColumns
from embloom.data.interaction_files.matching import matched
from embloom.data.interaction_files.ragged import offsets_of
from embloom.data.interaction_files.splits import HeldOut, InteractionSplit
from embloom.data.table_rows import say
from embloom.data.text import corpus_bar
from embloom.encoders.ragged import Ragged

STAND_IN = 10_000


@dataclass
class Reading:
    """What was read.

    Attributes:
        histories: of each split what each person had, int32.
        ratings: of each split (P,), if there are any.
        names: `user` and `item` -> what they are called.
        newcomers: see `Dataset.newcomers`.
        features: the same -> (N, F) what is known of them.
        classes: the same -> attribute -> classes.
        items_reader: what makes features of new items.
    """

    histories: dict[Split, Ragged]
    ratings: dict[Split, Tensor]
    names: dict[str, list[str]]
    newcomers: dict[Split, tuple[Ragged, Ragged]]
    features: dict[str, Tensor] = field(default_factory=dict)
    classes: dict[str, dict[str, RowClasses]] = field(default_factory=dict)
    items_reader: AttributesReader | None = None


@dataclass(frozen=True)
class InteractionSource:
    """Where interactions come from; see `embloom.data.interactions.Interactions` for what the options mean.

    Attributes:
        tables: `item` and `user` -> the table of what is known of them, and its column of ids.

    Raises:
        ValueError: an option is unknown, or there is no table for the titles.
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

    def __post_init__(self) -> None:
        choices(FORMATS, format=self.format)
        if self.title is not None and self.tables["item"][0] is None:
            raise ValueError(f"title={self.title}: it is a column of a table of items: give dataset.items=FILE")

    def read(self) -> Reading:
        """Reads everything; what was left out is said on standard error.

        Raises:
            ValueError: something cannot be read, or nothing is left.
        """
        found, known = self.log()
        parts = self.split(found, test=self.test is None)
        for line in parts.said:
            say(line)
        train = parts.train
        histories: dict[Split, Ragged] = {"train": Ragged(as_tensor(train.items), as_tensor(train.offsets))}
        ratings: dict[Split, Tensor] = {}
        if train.ratings is not None:
            ratings["train"] = as_tensor(train.ratings)
        held = dict(parts.held)
        if self.test is not None:
            test, _ = InteractionFilter(self.keep.min_rating)(self.opened(self.test, "dataset.test"))
            held["test"], lines = matched(train, test, self.named, self.format)
            for line in lines:
                say(line)
        newcomers: dict[Split, tuple[Ragged, Ragged]] = {}
        for split, some in held.items():
            if some.people is not None:
                wanted, _ = by_person(some, len(some.people.names))
                newcomers[split] = Ragged(as_tensor(some.people.items), as_tensor(some.people.offsets)), wanted
                continue
            histories[split], found_ratings = by_person(some, len(train.user_names))
            if found_ratings is not None:
                ratings[split] = found_ratings
        for name in SPLITS:
            if name not in histories:
                stand_in(name, histories, ratings, name in newcomers)
        names = {"user": train.user_names, "item": train.item_names}
        reading = Reading(histories, ratings, names, newcomers)
        self.describe(reading, known)
        return reading

    def log(self) -> tuple[InteractionLog, Callable[[list[str]], Mapping[str, Attribute]]]:
        """Those interactions that are wanted, and what is known of items by themselves, by their names."""
        films = Films()
        found, said = self.keep(built_in(films) if self.path is None else self.opened(self.path, "dataset.path"))
        if said:
            say(said)
        return found, films.attributes if self.path is None else lambda names: {}

    def opened(self, path: str, where: str) -> InteractionLog:
        """The interactions of a path."""
        with corpus_bar() as progress:
            return open_interactions(path, self.named, self.cache, self.workers, progress, self.format, where)

    def describe(self, reading: Reading, known: Callable[[list[str]], Mapping[str, Attribute]]) -> None:
        """Adds what is known of items and people, also beside the tables; items are called by their titles where that
        is wanted."""
        for column, (path, key) in self.tables.items():
            ids = ""
            attributes = dict(known(reading.names[column])) if column == "item" else {}
            if path is not None:
                attributes, ids, lines = read_attributes(
                    Path(path), reading.names[column], column, key, f"dataset.{column}s"
                )
                for line in lines:
                    say(line)
            reading.classes[column] = classes_of(attributes)
            features = features_of(attributes)
            if features is not None:
                reading.features[column] = features
            if column == "item":
                reading.items_reader = reader_of(attributes, ids)
            if column == "item" and self.title is not None:
                titles = attributes.get(self.title)
                if titles is None or titles.codes is None:
                    there = ", ".join(attributes)
                    raise ValueError(
                        f"title={self.title}: dataset.items={path} has no such column of texts but {there}"
                    )
                reading.names[column] = renamed(reading.names[column], titles)


def stand_in(split: Split, histories: dict[Split, Ragged], ratings: dict[Split, Tensor], whole: bool) -> None:
    """Where nothing is held out for a split, another one takes its place: validation that of the test, or else some
    people of the training.

    Args:
        split: which one.
        histories: where it is added.
        ratings: where its ratings are added, if there are any.
        whole: people are held out whole for it.
    """
    source: Split = "val" if split == "test" and "val" in histories and not whole else "train"
    if whole:
        say(f"{split}: rankings are of people that training has not; {split}/loss is of pairs that training has")
    elif source == "val":
        say("nothing is held out for the test: the figures of the test are those of validation")
        histories[split] = histories[source]
        if source in ratings:
            ratings[split] = ratings[source]
        return
    else:
        say(f"nothing is held out for {split}: {split}/loss and its figures are of pairs that training has")
    train = histories["train"]
    last = max(1, int(torch.searchsorted(train.offsets, STAND_IN)))
    count = int(train.offsets[last])
    histories[split] = Ragged(train.values[:count], train.offsets.clamp(max=count))
    if "train" in ratings:
        ratings[split] = ratings["train"][:count]


def by_person(held: HeldOut, people: int) -> tuple[Ragged, Tensor | None]:
    """What each person has of what is held out, and the ratings, if there are any."""
    rating = None if held.rating is None else as_tensor(held.rating)
    return Ragged(as_tensor(held.item), as_tensor(offsets_of(bincount(held.user, people)))), rating


def built_in(films: Films) -> InteractionLog:
    """Films that people made up watched."""
    offsets = np.concatenate([[0], np.cumsum(np.bincount(films.user, minlength=len(films.people)))]).astype(np.int64)
    items = films.item.astype(np.int32)
    return InteractionLog(offsets, items, films.rating, None, films.people, films.films, {}, "built-in")
