"""Products of some pairs of rows of two tables, without those of the others."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def products(rows: Tensor, columns: Tensor, places: Tensor, begins: Tensor) -> Tensor:
    """Products of each row with those of the columns that are named for it.

    Args:
        rows: (N, D).
        columns: (M, D).
        places: (P,) numbers of columns, those for one row after those for the one before.
        begins: (N + 1,) where those for each row begin, and the end.

    Returns:
        (P,).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        pattern = torch.sparse_csr_tensor(
            begins, places, rows.new_zeros(len(places)), (len(rows), len(columns)), check_invariants=False
        )
    return torch.sparse.sampled_addmm(pattern, rows, columns.T, beta=0).values()
