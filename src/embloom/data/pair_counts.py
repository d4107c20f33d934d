"""How often words stand near each other, counted over a token file of any size into a cache entry.

An entry holds `pairs.npy` (int64, `first * vocabulary + second` with first <= second), `counts.npy` (float32, weighted
by distance), both interleaved (see `interleaved`), and `seal.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.data.blocks import Passages
from embloom.data.interleaved import interleave

FILES = ("pairs.npy", "counts.npy")
SAMPLED = 1024  # of so many pairs one says where parts are cut
Pairs = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True)
class Counting:
    """How pairs are counted.

    Attributes:
        vocabulary: number of words.
        weights: what a pair counts at distance 1, 2, ...; as many as the window is wide.
        memory: bytes that counting may take; what is more goes to the disk and is merged.
        workers: threads; numpy sorts without holding the others up.
    """

    vocabulary: int
    weights: Sequence[float]
    memory: int
    workers: int

    def write(self, passages: Passages, folder: Path) -> None:
        """Counts the pairs of all passages that are used and writes an entry."""
        parts = list(self.counted(passages, folder))
        total = 0
        with (folder / "pairs.raw").open("wb") as pairs, (folder / "counts.raw").open("wb") as counts:
            for found, count in self.merged(parts):
                found.tofile(pairs)
                count.tofile(counts)
                total += len(found)
        for name, dtype in (("pairs", np.int64), ("counts", np.float32)):
            raw = np.memmap(folder / f"{name}.raw", dtype, "r") if total else np.zeros(0, dtype)
            interleave(raw, folder / f"{name}.npy", self.memory // 16)
        for path in folder.iterdir():
            if path.name not in FILES:
                path.unlink()

    def counted(self, passages: Passages, folder: Path) -> Iterator[Pairs]:
        """The pairs of each chunk of the text, ascending and each once; memory-mapped."""
        # Of a pair: its key, the same sorted apart, where equal ones begin, and what they count.
        tokens = max(1 << 12, self.memory // self.workers // (len(self.weights) * 32))
        for chunk in chunks_of(passages, tokens * self.workers):
            with ThreadPoolExecutor(self.workers) as pool:
                work = [pool.submit(self.of_passages, passages, part) for part in np.array_split(chunk, self.workers)]
                found = [each.result() for each in work]
            for pairs, counts in found:
                yield spilled(pairs, folder), spilled(counts, folder)

    def of_passages(self, passages: Passages, own: NDArray[np.int64]) -> Pairs:
        """The pairs of some passages.

        Args:
            passages: the text.
            own: (C,) numbers of passages.
        """
        lengths = np.diff(passages.offsets)[own]
        parts = [passages.tokens[passages.offsets[p] : passages.offsets[p + 1]] for p in own.tolist()]
        token = np.concatenate([np.zeros(0, np.int32), *parts])
        owner = np.repeat(np.arange(len(own), dtype=np.int32), lengths)
        bits = (len(self.weights) - 1).bit_length()
        keys = np.empty(len(token) * len(self.weights), np.int64)
        count = 0
        for distance in range(1, len(self.weights) + 1):
            near = owner[distance:] == owner[:-distance]
            left, right = token[:-distance][near], token[distance:][near]
            part = keys[count : count + len(left)]
            np.multiply(np.minimum(left, right), self.vocabulary, out=part, dtype=np.int64)
            part += np.maximum(left, right)
            part <<= bits
            part |= distance - 1
            count += len(left)
        keys = keys[:count]
        keys.sort()
        weight = np.asarray(self.weights)[keys & ((1 << bits) - 1)]
        keys >>= bits
        return added_up(keys, weight)

    def merged(self, parts: Sequence[Pairs]) -> Iterator[Pairs]:
        """All parts as one, ascending, a range of pairs at a time."""
        if not parts:
            return
        sample = np.sort(np.concatenate([pairs[::SAMPLED] for pairs, _ in parts]))
        step = max(1, self.memory // 40 // SAMPLED)
        edges = np.unique(np.concatenate([sample[step::step], [np.iinfo(np.int64).max]]))
        begins = [0] * len(parts)
        for edge in edges:
            ends = [int(np.searchsorted(pairs, edge)) for pairs, _ in parts]
            ranges = [(part, slice(a, b)) for part, a, b in zip(parts, begins, ends, strict=True)]
            pairs = np.concatenate([part[0][inner] for part, inner in ranges])
            counts = np.concatenate([part[1][inner] for part, inner in ranges])
            begins = ends
            order = np.argsort(pairs, kind="stable")  # which merges what is in order already
            yield added_up(pairs[order], counts[order])


def added_up(pairs: NDArray[np.int64], counts: NDArray[np.floating]) -> Pairs:
    """Ascending pairs, each once, with the sum of its counts."""
    if not len(pairs):
        return pairs, counts.astype(np.float32)
    begins = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    return pairs[begins], np.add.reduceat(counts, begins, dtype=np.float64).astype(np.float32)


def chunks_of(passages: Passages, tokens: int) -> Iterator[NDArray[np.int64]]:
    """Numbers of passages that are used, about so many tokens at a time."""
    used = np.flatnonzero(passages.used)
    ends = np.cumsum(np.diff(passages.offsets)[used])
    first = 0
    while first < len(used):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + tokens, "right")))
        yield used[first:last]
        first = last


def spilled(values: NDArray[Any], folder: Path) -> NDArray[Any]:
    """The same values in a file of the folder."""
    path = folder / f"{sum(1 for _ in folder.iterdir())}.part"
    values.tofile(path)
    return np.memmap(path, values.dtype, "r") if len(values) else values
