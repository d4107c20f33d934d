"""Rows of different lengths, one after the other in one array."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20  # values at a time
MUCH = 1 << 25  # bytes


def offsets_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where rows of some lengths begin, and the end."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def chunks(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Rows in order, so many at a time that memory stays flat."""
    first = 0
    while first < len(offsets) - 1:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + CHUNK, "right")) - 1)
        yield first, last
        first = last


def ranks_at_random(lengths: NDArray[np.int64], draws: np.random.Generator) -> NDArray[np.int64]:
    """For rows of some lengths, one after the other, a random order within each: 0, 1, ..."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = np.argsort(owner + draws.random(len(owner)))
    rank = np.empty(len(owner), np.int64)
    rank[order] = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return rank


def room(count: int, dtype: Any, folder: Path | None) -> NDArray[Any]:
    """An array for results, of zeros: in memory, or if it is large in a file without a name, so that memory stays flat.

    Args:
        count: of its values.
        dtype: of its values.
        folder: where such a file may be; None: in memory.

    Raises:
        ValueError: the disk is full.
    """
    wanted = count * np.dtype(dtype).itemsize
    if wanted < MUCH or folder is None:
        return np.zeros(count, dtype)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, wanted)  # a full disk is told now, not by a signal later
            return np.memmap(file, dtype, "r+", shape=(count,))
    except OSError as error:
        raise ValueError(f"{wanted:,} bytes for a part of the interactions: {error}; see dataset.cache") from error
