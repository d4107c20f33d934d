"""fastText's character n-grams: the parts of a word, each hashed to a row of one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
BASIS, PRIME = 2166136261, 16777619  # FNV-1a, 32 bits


def character_ngrams(words: Sequence[bytes], shortest: int, longest: int, buckets: int) -> tuple[Numbers, Numbers]:
    """The buckets of the n-grams of `<word>`, with its marks (Bojanowski et al. 2017, section 3.2).

    Args:
        words: N words in UTF-8.
        shortest, longest: characters of an n-gram.
        buckets: rows that the hashes are taken modulo.

    Returns:
        The buckets (P,) word by word, shorter n-grams first, and where those of each word begin, and the end (N + 1,).
    """
    marked = [b"<" + word + b">" for word in words]
    data = np.frombuffer(b"".join(marked), np.uint8)
    starts = np.flatnonzero((data & 0xC0) != 0x80)  # of characters
    ends = np.append(starts[1:], len(data))
    edges = np.cumsum([0, *map(len, marked)])
    owner = np.searchsorted(edges, starts, "right") - 1
    found, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in range(shortest, longest + 1):
        first = np.arange(max(0, len(starts) - size + 1))
        first = first[owner[first] == owner[first + size - 1]]
        begin, end = starts[first], ends[first + size - 1]
        if size == 1:  # a mark alone is none
            inside = (begin != edges[owner[first]]) & (end != edges[owner[first] + 1])
            first, begin, end = first[inside], begin[inside], end[inside]
        found.append(hashed(data, begin, end).astype(np.int64) % buckets)
        owners.append(owner[first])
    place = np.concatenate(owners)
    order = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=len(words))
    return np.concatenate(found)[order], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def hashed(data: NDArray[np.uint8], begin: Numbers, end: Numbers) -> NDArray[np.uint32]:
    """FNV-1a of `data[begin:end]`, each, as fastText has it: bytes are signed, so those from 128 up set all higher
    bits."""
    found = np.full(len(begin), BASIS, np.uint32)
    for step in range(int((end - begin).max(initial=0))):
        place = begin + step
        byte = data[np.minimum(place, len(data) - 1)].astype(np.int8).astype(np.uint32)
        found = np.where(place < end, (found ^ byte) * np.uint32(PRIME), found)
    return found
