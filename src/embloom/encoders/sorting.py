"""Which numbers of a list are equal, found by counting."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def groups(numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of at least 0 (N,), on the CPU -> those that there are, ascending (U,); an order (N,) in which equal ones
    stand together; where each begins in that order, and the end (U + 1,)."""
    array = numbers.numpy()
    order = sorting_order(array)
    ordered = array[order]
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(first)
    begins = np.append(starts, len(ordered))
    return torch.from_numpy(ordered[starts]), torch.from_numpy(order), torch.from_numpy(begins)


def sorting_order(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """What `argsort` returns for numbers of at least 0, stable: numpy sorts 16 bits at a time by counting, ten
    times as fast as 64."""
    order = numbers.astype(np.uint16).argsort(kind="stable")
    high = numbers >> 16
    while high.any():
        order = order[high[order].astype(np.uint16).argsort(kind="stable")]
        high >>= 16
    return order
