"""Ragged matrices: rows of any length, one after the other."""

from __future__ import annotations

import torch
from torch import Tensor


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
