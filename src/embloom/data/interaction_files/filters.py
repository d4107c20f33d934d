"""Which interactions are used: those that count as liking, of people and items that have enough of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.assembly.parameters import numbers, positive_integers
from embloom.data.corpus import bincount
from embloom.data.interaction_files.cache import InteractionLog
from embloom.data.interaction_files.ragged import CHUNK, chunks, offsets_of, room


@dataclass(frozen=True)
class InteractionFilter:
    """Leaves out interactions.

    Args:
        min_rating: only ratings of at least so much count as liking; None: all do.
        min_user: people with fewer items are left out; and so on with `min_item`, until all that stay have enough.
        min_item: items with fewer people are left out.

    Raises:
        ValueError: an option is out of range.
    """

    min_rating: float | None = None
    min_user: int = 1
    min_item: int = 1

    def __post_init__(self) -> None:
        positive_integers(min_user=self.min_user, min_item=self.min_item)
        if self.min_rating is not None:
            numbers(min_rating=self.min_rating)

    def __call__(self, found: InteractionLog) -> tuple[InteractionLog, str]:
        """What is left, and a line on what was left out ('' where nothing was).

        Raises:
            ValueError: nothing is left, or there are no ratings to compare.
        """
        alive, rating = room(len(found.items), np.bool_, found.folder), f"dataset.min_rating={self.min_rating}"
        alive[:] = True
        if self.min_rating is not None:
            if found.ratings is None:
                raise ValueError(f"{rating}: there is no column of ratings, see dataset.rating")
            np.greater_equal(found.ratings, np.float32(self.min_rating), out=alive)
            if not alive.any():
                raise ValueError(f"{rating}: the highest rating is {found.ratings.max():g}")
        if max(self.min_user, self.min_item) > 1:
            core(found, alive, self.min_user, self.min_item)
        if not alive.any():
            raise ValueError(
                f"dataset.min_user={self.min_user}, dataset.min_item={self.min_item}: no interaction is left of "
                f"{len(alive):,}, with {len(found.user_names):,} people and {len(found.item_names):,} items: lower both"
            )
        left = some(found, alive)
        return left, "" if left is found else self.said(found, left)

    def said(self, found: InteractionLog, left: InteractionLog) -> str:
        """What was left out."""
        options = [f"min_user={self.min_user}", f"min_item={self.min_item}"]
        named = [option for option in options if not option.endswith("=1")]
        if self.min_rating is not None:
            named.insert(0, f"min_rating={self.min_rating:g}")
        return (
            f"{', '.join(named)}: left out {len(found.items) - len(left.items):,} of {len(found.items):,} "
            f"interactions, {len(found.user_names) - len(left.user_names):,} of {len(found.user_names):,} people and "
            f"{len(found.item_names) - len(left.item_names):,} of {len(found.item_names):,} items"
        )


def core(found: InteractionLog, alive: NDArray[np.bool_], min_user: int, min_item: int) -> None:
    """Takes out of `alive`, in place, the interactions of people and items that have too few, until none has."""
    lost = True
    while lost:
        users, items = counts_kept(found, alive)
        lost = False
        for first, last in chunks(found.offsets):
            rows = slice(found.offsets[first], found.offsets[last])
            enough = np.repeat(users[first:last] >= min_user, np.diff(found.offsets[first : last + 1]))
            enough &= items[found.items[rows]] >= min_item
            lost |= bool((alive[rows] & ~enough).any())
            alive[rows] &= enough


def counts_kept(found: InteractionLog, kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many interactions of each person, of which each has one, and of each item are kept."""
    users, items = np.zeros(len(found.user_names), np.int64), np.zeros(len(found.item_names), np.int64)
    for first, last in chunks(found.offsets):
        rows = slice(found.offsets[first], found.offsets[last])
        users[first:last] = np.add.reduceat(kept[rows], found.offsets[first:last] - rows.start, dtype=np.int64)
        items += bincount(found.items[rows][kept[rows]], len(items))
    return users, items


def some(found: InteractionLog, kept: NDArray[np.bool_]) -> InteractionLog:
    """Some of the interactions, with those people and items only that have one.

    Args:
        found: the interactions, of which each person has one.
        kept: (P,) which ones.
    """
    if kept.all():
        return found
    users, items = counts_kept(found, kept)
    return replace(
        found,
        offsets=offsets_of(users[users > 0]),
        items=taken(found.items, kept, found.folder, numbered(items)),
        ratings=None if found.ratings is None else taken(found.ratings, kept, found.folder),
        times=None if found.times is None else taken(found.times, kept, found.folder),
        user_names=[found.user_names[row] for row in np.flatnonzero(users).tolist()],
        item_names=[found.item_names[row] for row in np.flatnonzero(items).tolist()],
    )


def taken(
    values: NDArray[Any], kept: NDArray[np.bool_], folder: Path | None, number: NDArray[np.int32] | None = None
) -> NDArray[Any]:
    """Some of the values, or their numbers; a part at a time, see `room`."""
    found = room(int(np.count_nonzero(kept)), values.dtype, folder)
    place = 0
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK][kept[start : start + CHUNK]]
        found[place : place + len(part)] = part if number is None else number[part]
        place += len(part)
    return found


def numbered(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Of each person or item, of which some number of interactions is kept, the number it has in `some`, or -1."""
    there = counts > 0
    return np.where(there, np.cumsum(there) - 1, -1).astype(np.int32)
