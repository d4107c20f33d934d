"""Ragged matrices: rows of any length, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 1 << 24  # numbers that are counted at a time


@dataclass(frozen=True)
class Ragged:
    """For each row some numbers, such as the items of each person.

    Attributes:
        values: (P,) row by row.
        offsets: (N + 1,) where each row begins in them, and the end.
    """

    values: Tensor
    offsets: Tensor

    def counts(self) -> Tensor:
        """(N,) how many each row has."""
        return self.offsets.diff()

    def pairs(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Of some rows (B,): places in `rows`, ascending, and values (Q,)."""
        values, offsets = rows_of(self.values, self.offsets, rows)
        return owners(offsets), values


def rows_of(values: Tensor, offsets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Some rows of a ragged matrix.

    Args:
        values: (P,) of all rows, one after the other.
        offsets: (N + 1,) where each row begins, and the end.
        rows: (B,) which ones.

    Returns:
        Their values (Q,), int64 where they are integers, and offsets (B + 1,).
    """
    begins = offsets[rows]
    lengths = offsets[rows + 1] - begins
    ends = lengths.cumsum(0)
    places = torch.arange(int(ends[-1]) if len(rows) else 0, device=rows.device)
    places += torch.repeat_interleave(begins - ends + lengths, lengths)
    found = values[places]
    return (found if found.is_floating_point() else found.long()), torch.cat([ends.new_zeros(1), ends])


def owners(offsets: Tensor) -> Tensor:
    """(N + 1,) where each row begins, and the end -> (P,) the row of each value."""
    return torch.repeat_interleave(torch.arange(len(offsets) - 1, device=offsets.device), offsets.diff())


def means(table: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """The mean of some rows of a table (N, D) for each of several lists of them (P,), (B + 1,): (B, D), 0 for none."""
    # Not by gathering the rows first: of thousands of people those are gigabytes.
    return F.embedding_bag(rows, table, offsets, mode="mean", include_last_offset=True)


def counts_of(values: Tensor, count: int) -> Tensor:
    """How often each number below `count` is among values (P,), which may be a mapped file: (count,)."""
    return torch.stack([torch.bincount(part, minlength=count) for part in values.split(CHUNK)]).sum(0)
