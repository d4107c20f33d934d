"""Interactions from files to arrays sorted by person, in three passes of flat memory.

1. Blocks are parsed, each into a part file of numbers (`interaction_parse`).
2. The ids are numbered, and the parts' rows sorted into bucket files, each of a range of people.
3. Each bucket is sorted, and of equal pairs the last one kept.

The order of names and rows depends on the files' content alone, not on how many processes read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from embloom.data.interaction_files.format import Layout
from embloom.data.interaction_files.ids import Codes
from embloom.data.interaction_files.parse import Parser
from embloom.data.processes import Worker, shared_out

BUCKET_ROWS = 1 << 18
FEW_ROWS = 1 << 20  # for less, starting processes costs more than it saves
HELD_ROWS = 1 << 20  # that wait to be written to buckets
MOST_BUCKETS = 500  # files that are open at once
ADVICE = "use dataset.workers=1"
NUMBERED = 1 << 24  # integers up to here are numbered by a table, else by a search
Ranks = NDArray[np.int32]
Fields = list[tuple[str, type[np.generic]]]


class ParseWorker(Worker):
    """Parses blocks into part files: `n.part` holds the columns, one `np.save` after the other.

    Args:
        folder: for the parts.
        layout: of the files.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder, self.parser = folder, Parser(layout)

    def work(self, number: int, item: Any) -> None:
        """See `Worker`."""
        rows = self.parser.rows(item)
        with (self.folder / f"{number}.part").open("wb") as file:
            for column in (narrow(rows.users), narrow(rows.items), rows.ratings, rows.times):
                if column is not None:
                    np.save(file, column)

    def result(self) -> tuple[tuple[Codes, list[bytes]], ...]:
        """For people and items: the integers, and the other ids."""
        return tuple((ids.integers(), ids.names) for ids in (self.parser.users, self.parser.items))


def narrow(codes: Codes) -> NDArray[Any]:
    """The same numbers in 32 bits where they fit."""
    fits = not len(codes) or (codes.min() >= -(1 << 31) and codes.max() < 1 << 31)
    return codes.astype(np.int32) if fits else codes


class Numbering:
    """Ranks for the ids of a column: integers first, by size, then other ids, by their letters.

    Args:
        found: of each worker, the integers and the other ids.
    """

    def __init__(self, found: Sequence[tuple[Codes, list[bytes]]]) -> None:
        self.integers = np.unique(np.concatenate([integers for integers, _ in found]))
        texts = sorted(set().union(*(names for _, names in found)))
        rank = {name: number for number, name in enumerate(texts, len(self.integers))}
        # Reversed, for number -1 is the first id and stands last.
        self.texts = [np.array([rank[name] for name in reversed(names)], np.int32) for _, names in found]
        self.names = [*map(str, self.integers.tolist()), *map(bytes.decode, texts)]
        top = int(self.integers[-1]) if len(self.integers) else 0
        self.table: Ranks | None = None
        if top < NUMBERED:
            self.table = np.zeros(top + 1, np.int32)
            self.table[self.integers] = np.arange(len(self.integers), dtype=np.int32)

    def ranks(self, codes: NDArray[Any], owner: int) -> Ranks:
        """The ranks of a worker's numbers."""
        if not len(codes):
            return np.zeros(0, np.int32)
        if codes.min() >= 0:
            return self.of_integers(codes)
        found = np.empty(len(codes), np.int32)
        texts = codes < 0
        found[texts] = self.texts[owner][codes[texts]]
        found[~texts] = self.of_integers(codes[~texts])
        return found

    def of_integers(self, codes: NDArray[Any]) -> Ranks:
        """The ranks of integers."""
        if self.table is not None:
            return self.table[codes]
        return np.searchsorted(self.integers, codes).astype(np.int32)


@dataclass(frozen=True)
class Built:
    """What `build` found, beside the files that it wrote."""

    users: list[str]
    items: list[str]
    rows: int
    merged: int


def build(folder: Path, blocks: Iterable[Any], layout: Layout, workers: int, title: str) -> Built:
    """Writes `offsets.npy`, `items.npy`, `ratings.npy` and `times.npy` (of no rows where there are none).

    Args:
        folder: for them.
        blocks: of the files.
        layout: of the files.
        workers: processes that parse and sort.
        title: what the files are called in messages.

    Raises:
        ValueError: a row cannot be read, or there is none.
    """
    parts = folder / "parts"
    parts.mkdir()
    owners, found = shared_out(blocks, partial(ParseWorker, parts, layout), workers, "reading", ADVICE)
    users, items = (Numbering([worker[side] for worker in found]) for side in (0, 1))
    counts = np.zeros(len(users.names), np.int64)
    for number, owner in enumerate(owners):
        with (parts / f"{number}.part").open("rb") as file:
            ranks = users.ranks(np.load(file), owner)
        if len(ranks):
            low = int(ranks.min())
            found_here = np.bincount(ranks - low)
            counts[low : low + len(found_here)] += found_here
    rows = int(counts.sum())
    if not rows:
        raise ValueError(f"{title} holds no interaction: it takes a row for each, with a person and an item")
    has = (layout.places[2] is not None, layout.places[3] is not None)
    bounds = bounds_of(counts)
    distribute(parts, owners, users, items, fields(has), bounds)
    count = len(bounds) - 1
    few = 1 if rows < FEW_ROWS else workers
    jobs = list(pairwise(bounds))
    _, kept = shared_out(jobs, partial(SortWorker, parts, fields(has), len(items.names)), few, "sorting", ADVICE)
    lengths = {number: lengths for worker in kept for number, lengths in worker.items()}
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(np.concatenate([lengths[number] for number in range(count)]), out=offsets[1:])
    np.save(folder / "offsets.npy", offsets)
    for name, kind, there in (
        ("items", np.int32, True),
        ("ratings", np.float32, has[0]),
        ("times", np.float64, has[1]),
    ):
        join([parts / f"{number}.{name}" for number in range(count)] if there else [], folder / f"{name}.npy", kind)
    parts.rmdir()
    return Built(users.names, items.names, rows, rows - int(offsets[-1]))


def fields(has: tuple[bool, bool]) -> Fields:
    """The columns of a row in a bucket."""
    found: Fields = [("user", np.int32), ("item", np.int32)]
    return [*found, *[("rating", np.float32)] * has[0], *[("time", np.float64)] * has[1]]


def bounds_of(counts: NDArray[np.int64]) -> list[int]:
    """The first person of each bucket, and how many people there are: buckets of as many rows as one can."""
    ends = np.cumsum(counts)
    rows = max(BUCKET_ROWS, -(-int(ends[-1]) // MOST_BUCKETS))
    bounds = [0]
    while bounds[-1] < len(counts):
        before = int(ends[bounds[-1] - 1]) if bounds[-1] else 0
        bounds.append(max(bounds[-1] + 1, int(np.searchsorted(ends, before + rows, "right"))))
    return bounds


def distribute(
    parts: Path, owners: Sequence[int], users: Numbering, items: Numbering, kind: Fields, bounds: Sequence[int]
) -> None:
    """Sorts the rows of the parts, in order, into `n.bucket`, and deletes the parts."""
    edges = np.array(bounds[1:-1])
    with ExitStack() as stack:
        files = [stack.enter_context((parts / f"{number}.bucket").open("wb")) for number in range(len(bounds) - 1)]
        held: list[NDArray[Any]] = []
        for number, owner in enumerate(owners):
            part = parts / f"{number}.part"
            with part.open("rb") as file:
                user = users.ranks(np.load(file), owner)
                columns = [user, items.ranks(np.load(file), owner), *(np.load(file) for _ in kind[2:])]
            part.unlink()
            rows = np.empty(len(user), np.dtype(kind))
            for (name, _), column in zip(kind, columns, strict=True):
                rows[name] = column
            held.append(rows)
            # So many at once that what a bucket gets of them is worth a write.
            if sum(map(len, held)) >= HELD_ROWS or number == len(owners) - 1:
                write_buckets(np.concatenate(held), edges, files)
                held = []


def write_buckets(rows: NDArray[Any], edges: NDArray[np.int64], files: Sequence[BinaryIO]) -> None:
    """Appends rows, in order, to the files of their buckets."""
    bucket = np.searchsorted(edges, rows["user"], "right").astype(np.uint16)
    rows = rows[np.argsort(bucket, kind="stable")]
    ends = np.cumsum(np.bincount(bucket, minlength=len(files))).tolist()
    for file, (begin, end) in zip(files, pairwise([0, *ends]), strict=True):
        if end > begin:
            file.write(rows[begin:end].tobytes())


class SortWorker(Worker):
    """Sorts buckets: `n.bucket` to `n.items`, `n.ratings` and `n.times`.

    Args:
        folder: of the buckets.
        kind: of their rows.
        items: how many there are.
    """

    def __init__(self, folder: Path, kind: Fields, items: int) -> None:
        self.folder, self.kind, self.items = folder, kind, items
        self.lengths: dict[int, NDArray[np.int64]] = {}

    def work(self, number: int, item: Any) -> None:
        """See `Worker`; an item is the bucket's first person and the one after its last."""
        first, last = item
        bucket = self.folder / f"{number}.bucket"
        rows = np.fromfile(bucket, np.dtype(self.kind))
        bucket.unlink()
        columns = {name: np.ascontiguousarray(rows[name]) for name, _ in self.kind}
        people = columns["user"].astype(np.int64) - first
        order = order_of(people, columns.get("time"))
        kept = order[lasts(people[order] * self.items + columns["item"][order])]
        self.lengths[number] = np.bincount(people[kept], minlength=last - first)
        for name, _ in self.kind[1:]:
            columns[name][kept].tofile(self.folder / f"{number}.{name}s")

    def result(self) -> dict[int, NDArray[np.int64]]:
        """For each bucket, how many rows each of its people has."""
        return self.lengths


def order_of(people: NDArray[np.int64], times: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """By person, then by time where there is one, then by place."""
    if times is None or not len(times):
        return stable_order(people)
    low, high = times.min(), times.max()
    span = float(high - low) + 1
    if span * (float(people.max()) + 1) < 1 << 62 and (times == np.floor(times)).all():
        return stable_order(people * int(span) + (times - low).astype(np.int64))
    by_time = np.argsort(times, kind="stable")
    return by_time[stable_order(people[by_time])]


def stable_order(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """A stable argsort of numbers that are not negative, by sorting them with their places in the low bits."""
    bits = len(numbers).bit_length()
    if not len(numbers) or int(numbers.max()).bit_length() + bits > 63:
        return np.argsort(numbers, kind="stable")
    packed = np.sort((numbers << bits) | np.arange(len(numbers)))
    return packed & ((1 << bits) - 1)


def lasts(pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ones come last among equals."""
    order = stable_order(pairs)
    ordered = pairs[order]
    last = np.ones(len(pairs), np.bool_)
    last[order[:-1]] = ordered[1:] != ordered[:-1]
    return last


def join(files: Sequence[Path], target: Path, kind: type[np.generic]) -> None:
    """Writes files of numbers one after the other into an array, deleting them."""
    size = np.dtype(kind).itemsize
    total = sum(file.stat().st_size for file in files) // size
    with target.open("wb") as out:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": (total,)}
        np.lib.format.write_array_header_1_0(out, header)
        for file in files:
            out.write(file.read_bytes())
            file.unlink()
