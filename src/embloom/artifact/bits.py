"""Which rows of a table share the most bits with a query: Hamming distances, a block of rows at a time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.stages.binary import WORD, Binary

BLOCK = 16_384  # rows: their distances and a word of each stay in the cache


class Bits:
    """The bits of a table, word by word, so that a query reads each byte of them once.

    Args:
        quantizer: what makes bits.
        rows: (N, D).
    """

    def __init__(self, quantizer: Binary, rows: Tensor) -> None:
        self.quantizer, self.count = quantizer, len(rows)
        packed = torch.cat([self.words(part) for part in rows.split(BLOCK)])
        self.words_of_rows = np.ascontiguousarray(packed.numpy().view(np.uint64).T)  # (words, N)

    def words(self, rows: Tensor) -> Tensor:
        """(N, D) -> (N, bytes), in whole words."""
        packed = self.quantizer.packed(rows)
        return torch.nn.functional.pad(packed, (0, -packed.shape[1] % (WORD // 8)))

    def near(self, query: Tensor, count: int) -> Tensor:
        """The numbers (n,) of the rows with the smallest distances from a query (D,): at least `count`, or all, as all
        rows at the last distance are among them, or four times as many at most."""
        distance = self.distances(query)
        if count >= self.count:
            return torch.arange(self.count)
        totals = np.bincount(distance).cumsum()
        last = int(np.searchsorted(totals, count))
        found = np.flatnonzero(distance <= last)
        if len(found) > 4 * count:  # many at the same distance
            found = found[np.argsort(distance[found], kind="stable")[: 4 * count]]
        return torch.from_numpy(found)

    def distances(self, query: Tensor) -> np.ndarray:
        """In how many bits each row differs from a query (D,): (N,)."""
        asked = np.ascontiguousarray(self.words(query[None]).numpy()).view(np.uint64)[0]
        distance = np.zeros(self.count, np.uint16)
        for start in range(0, self.count, BLOCK):
            part = distance[start : start + BLOCK]
            differ = np.empty(len(part), np.uint64)
            for row, word in zip(self.words_of_rows, asked, strict=True):
                np.bitwise_xor(row[start : start + BLOCK], word, out=differ)
                part += np.bitwise_count(differ)
        return distance
