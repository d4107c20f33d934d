"""Which interactions are held out: a file's, the last or the latest, or some at random, of people or of whole people.

What is held out is about people and items that training has seen; whoever and whatever training never saw is left
out, counted and said.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embloom.assembly.parameters import choices, integers, numbers, probabilities
from embloom.data.corpus import bincount
from embloom.data.interaction_files.cache import InteractionLog
from embloom.data.interaction_files.cells import moment_of
from embloom.data.interaction_files.filters import counts_kept, numbered, some, taken
from embloom.data.interaction_files.ragged import CHUNK, chunks, offsets_of, ranks_at_random, room

SPLITS = ("interaction", "user", "last", "time")
TRAIN, VAL, TEST = 0, 1, 2
Held = Literal["val", "test"]
HELD: dict[int, Held] = {VAL: "val", TEST: "test"}
Marks = NDArray[np.uint8]
Rows = NDArray[np.int32]


@dataclass(frozen=True)
class People:
    """People held out whole, of whom a part is known; whatever is computed for them comes from that part.

    Attributes:
        offsets: (N + 1,) where each one's known items begin, and the end.
        items: the known items.
        names: their ids.
    """

    offsets: NDArray[np.int64]
    items: Rows
    names: list[str]


@dataclass(frozen=True)
class HeldOut:
    """Interactions to predict, person by person.

    Attributes:
        user: (N,) rows of the training matrix, ascending; of `people` where there are such.
        item: (N,) items of the training matrix.
        rating: (N,), or None.
        people: who is not in the training matrix; None where all are.
    """

    user: Rows
    item: Rows
    rating: NDArray[np.float32] | None
    people: People | None = None

    def known_people(self) -> People:
        """`people`, where there must be such."""
        assert self.people is not None
        return self.people


@dataclass(frozen=True)
class SplitInteractions:
    """Interactions in splits.

    Attributes:
        train: the training matrix; each of its people and items has an interaction; without times.
        held: of `val` and `test` those that there are.
        said: a line each on what was left out and why.
    """

    train: InteractionLog
    held: dict[Held, HeldOut]
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class InteractionSplit:
    """Parts interactions into splits, seeded.

    Args:
        split: `interaction`: a part of each person's, at random; `user`: whole people, of whom `known` is known;
            `last`: each person's last one for test, the one before for validation, by time, or else by their order in
            the file; `time`: the latest ones.
        val_fraction: part of the interactions (or people) held out for validation; 0 is none.
        test_fraction: as much for test, where there is no test file; 0 is none.
        test_from: with `time`, a date or seconds from which on all is test, instead of `test_fraction`.
        val_from: with `time`, a date or seconds from which on, up to test, all is validation.
        known: with `user`, the part of a held-out person's items that is known.
        split_seed: draws all.

    Raises:
        ValueError: an option is out of range.
    """

    split: str = "interaction"
    val_fraction: float = 0.1
    test_fraction: float = 0.2
    test_from: str | float | None = None
    val_from: str | float | None = None
    known: float = 0.8
    split_seed: int = 0

    def __post_init__(self) -> None:
        choices(SPLITS, split=self.split)
        probabilities(val_fraction=self.val_fraction, test_fraction=self.test_fraction)
        numbers(above=0, below=1, known=self.known)
        integers(0, split_seed=self.split_seed)
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"val_fraction={self.val_fraction:g}, test_fraction={self.test_fraction:g}: nothing is left to train on"
            )
        for key in ("test_from", "val_from"):
            if getattr(self, key) is not None and self.split != "time":
                raise ValueError(f"{key}={getattr(self, key)}: it needs dataset.split=time")
            moment(key, getattr(self, key))

    def __call__(self, found: InteractionLog, test: bool = True) -> SplitInteractions:
        """The splits.

        Args:
            found: all interactions.
            test: hold out a test split too.

        Raises:
            ValueError: nothing is left to train on, or to hold out.
        """
        share = {
            VAL: self.val_fraction or float(self.val_from is not None),
            TEST: (self.test_fraction or float(self.test_from is not None)) if test else 0.0,
        }
        if self.split == "user":
            return self.by_user(found, share)
        said = []
        if self.split == "last" and found.times is None:
            said.append(
                "dataset.split=last: there is no column of times, so the last ones are those that the file has last"
            )
        marks = {"interaction": self.at_random, "last": self.lasts, "time": self.by_time}[self.split](found, share)
        self.check(marks, share)
        result = held_out(found, marks)
        result.said[:0] = said
        return result

    def check(self, marks: Marks, share: dict[int, float]) -> None:
        """Raises:
        ValueError: a split has nothing.
        """
        counts = bincount(marks, 3)
        if not counts[TRAIN]:
            raise ValueError(f"dataset.split={self.split}: nothing is left to train on; hold out less")
        for mark, name in HELD.items():
            if share[mark] and not counts[mark]:
                raise ValueError(
                    f"dataset.split={self.split}: nothing is left for {name}, since everybody keeps one to train on; "
                    f"dataset.{name}_fraction=0 holds out none"
                )

    def at_random(self, found: InteractionLog, share: dict[int, float]) -> Marks:
        """A part of each person's, whole numbers that are right on average; one at least stays."""
        marks = room(len(found.items), np.uint8, found.folder)
        draws = np.random.default_rng(self.split_seed)
        for first, last in chunks(found.offsets):
            lengths = np.diff(found.offsets[first : last + 1])
            counts = {mark: np.floor(lengths * part + draws.random(len(lengths))) for mark, part in share.items()}
            rank = ranks_at_random(lengths, draws)
            owner = np.repeat(np.arange(len(lengths)), lengths)
            test = np.minimum(counts[TEST], lengths - 1)
            both = np.minimum(test + counts[VAL], lengths - 1)
            part = marks[found.offsets[first] : found.offsets[last]]
            part[rank < both[owner]] = VAL
            part[rank < test[owner]] = TEST
        return marks

    def lasts(self, found: InteractionLog, share: dict[int, float]) -> Marks:
        """The last ones of each person; one at least stays."""
        marks = room(len(found.items), np.uint8, found.folder)
        lengths, place = np.diff(found.offsets), found.offsets[1:] - 1
        for back, mark in enumerate([mark for mark in (TEST, VAL) if share[mark]]):
            marks[place[lengths > back + 1] - back] = mark
        return marks

    def by_time(self, found: InteractionLog, share: dict[int, float]) -> Marks:
        """The latest ones."""
        if found.times is None:
            raise ValueError("dataset.split=time: there is no column of times; name it, dataset.time=NAME")
        times = np.asarray(found.times)
        marks = room(len(times), np.uint8, found.folder)
        for mark, key in ((TEST, "test_from"), (VAL, "val_from")):
            cut = moment(key, getattr(self, key))
            if not share[mark]:
                continue
            earlier = taken(times, in_training(found, marks), found.folder)
            if cut is None:
                count = min(len(earlier), max(1, round(share[mark] * len(times))))
                earlier.partition(len(earlier) - count)
                cut = float(earlier[len(earlier) - count])
            marks[(marks == TRAIN) & (times >= cut)] = mark
            if not (marks == mark).any() or (marks != TRAIN).all():
                low, high = float(earlier.min()), float(earlier.max())
                raise ValueError(f"dataset.{key}={cut:.10g}: the times there are go from {low:.10g} to {high:.10g}")
        return marks

    def by_user(self, found: InteractionLog, share: dict[int, float]) -> SplitInteractions:
        """Whole people, of those that have two items at least."""
        lengths, draws = np.diff(found.offsets), np.random.default_rng(self.split_seed)
        able = draws.permutation(np.flatnonzero(lengths > 1))
        chosen = np.zeros(len(lengths), np.uint8)
        for mark, name in ((TEST, "test"), (VAL, "val")):
            count = max(1, round(share[mark] * len(lengths))) if share[mark] else 0
            if count > len(able):
                raise ValueError(
                    f"dataset.split=user: {name} takes {count:,} people, and {len(able):,} have two items or more"
                )
            chosen[able[:count]], able = mark, able[count:]
        marks = np.repeat(chosen, lengths)
        self.check(marks, share)
        kept = in_training(found, marks)
        result = SplitInteractions(training(found, kept), {})
        number = numbered(counts_kept(found, kept)[1])
        for mark, name in HELD.items():
            if share[mark]:
                rows = np.flatnonzero(marks == mark)
                result.held[name] = self.people(found, rows, number, draws)
                lost = int((chosen == mark).sum()) - len(result.held[name].known_people().names)
                if lost:
                    result.said.append(f"{name}: {lost:,} people have fewer than two items that training has: left out")
        return result

    def people(
        self, found: InteractionLog, rows: NDArray[np.int64], number: Rows, draws: np.random.Generator
    ) -> HeldOut:
        """People held out whole, those who have two items that training has.

        Args:
            found: all interactions.
            rows: the people's.
            number: (items,) of each item its number in training, or -1.
            draws: chooses what is known.

        Raises:
            ValueError: there is nobody.
        """
        owner = np.searchsorted(found.offsets, rows, "right") - 1
        items = number[found.items[rows]]
        counts = np.bincount(owner[items >= 0], minlength=len(found.user_names))
        keep = (items >= 0) & (counts > 1)[owner]
        if not keep.any():
            raise ValueError("dataset.split=user: nobody held out has two items that training has; hold out less")
        rows, items, owner = rows[keep], items[keep], owner[keep]
        there = np.flatnonzero(counts > 1)
        lengths = counts[there]
        person = np.repeat(np.arange(len(there), dtype=np.int32), lengths)
        part = np.clip(np.round(self.known * lengths), 1, lengths - 1).astype(np.int64)
        known = ranks_at_random(lengths, draws) < part[person]
        people = People(offsets_of(part), items[known], [found.user_names[row] for row in there.tolist()])
        rating = None if found.ratings is None else found.ratings[rows[~known]]
        return HeldOut(person[~known], items[~known], rating, people)


def moment(key: str, value: str | float | None) -> float | None:
    """Seconds since 1970 of a date or a number of them.

    Raises:
        ValueError: it is neither.
    """
    try:
        return None if value is None else moment_of(str(value))
    except ValueError:
        raise ValueError(f"{key}={value}: it must be a date such as 2024-01-31, or seconds since 1970") from None


def in_training(found: InteractionLog, marks: Marks) -> NDArray[np.bool_]:
    """Which interactions are not held out."""
    kept: NDArray[np.bool_] = np.equal(marks, TRAIN, out=room(len(marks), np.bool_, found.folder))
    return kept


def training(found: InteractionLog, kept: NDArray[np.bool_]) -> InteractionLog:
    """The training matrix; times have done their work, and would be the larger half of it."""
    return some(replace(found, times=None), kept)


def held_out(found: InteractionLog, marks: Marks) -> SplitInteractions:
    """Splits of interactions that are marked; those of people or items that training has not are left out."""
    kept = in_training(found, marks)
    result = SplitInteractions(training(found, kept), {})
    users, items = map(numbered, counts_kept(found, kept))
    counts = bincount(marks, 3).tolist()
    for mark, name in HELD.items():
        if not counts[mark]:
            continue
        user, item = (room(counts[mark], np.int32, found.folder) for _ in range(2))
        rating = None if found.ratings is None else room(counts[mark], np.float32, found.folder)
        good = 0
        for start in range(0, len(marks), CHUNK):
            rows = start + np.flatnonzero(marks[start : start + CHUNK] == mark)
            who, what = users[np.searchsorted(found.offsets, rows, "right") - 1], items[found.items[rows]]
            known = (who >= 0) & (what >= 0)
            part = slice(good, good + int(np.count_nonzero(known)))
            user[part], item[part] = who[known], what[known]
            if rating is not None and found.ratings is not None:
                rating[part] = found.ratings[rows[known]]
            good = part.stop
        if not good:
            raise ValueError(f"no interaction held out for {name} is of a person and an item that training has")
        if good < counts[mark]:
            result.said.append(
                f"{name}: left out {counts[mark] - good:,} of {counts[mark]:,} interactions, of people or items that "
                "training has not"
            )
        result.held[name] = HeldOut(user[:good], item[:good], None if rating is None else rating[:good])
    return result
