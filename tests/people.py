"""Small random interactions for tests of recommenders."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def small(users: int, items: int, share: float = 0.2) -> tuple[np.ndarray, dict[str, int], Tensor, Tensor]:
    """Who had what, (users, items) of zeros and ones in float64, and the same as a dataset gives it: sizes, history
    and its offsets. The last person had nothing, and the last item nobody."""
    matrix = (np.random.default_rng(users * items).random((users, items)) < share).astype(np.float64)
    matrix[-1], matrix[:, -1] = 0, 0
    return matrix, {"user": users, "item": items}, *ragged(matrix)


def ragged(matrix: np.ndarray) -> tuple[Tensor, Tensor]:
    """Rows of zeros and ones -> the numbers of their ones, int32, row by row, and offsets (rows + 1,)."""
    ends = np.concatenate([[0], matrix.sum(1).cumsum()]).astype(np.int64)
    return torch.from_numpy(matrix.nonzero()[1].astype(np.int32)), torch.from_numpy(ends)
