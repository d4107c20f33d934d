"""Rows of tables by number: as torch looks them up, whatever the threads and the dtype."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from embloom.encoders.lookup import CACHED_ROWS, lookup
from embloom.encoders.skipgram import SkipGram


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [0, 7, 2 * CACHED_ROWS + 3])
def test_is_the_embedding_of_torch(count: int, dtype: torch.dtype | None, threads: int) -> None:
    table = nn.Parameter(torch.randn(100, 6))
    numbers = torch.randint(100, (count, 2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    rows = lookup(numbers, table, True, dtype)
    torch.set_num_threads(before)
    assert torch.equal(rows, F.embedding(numbers, table).to(dtype or torch.float32))
    weight = torch.randn_like(rows)
    (rows * weight).sum().backward()
    found, table.grad = table.grad, None
    (F.embedding(numbers, table).to(rows.dtype) * weight).sum().backward()
    assert found is not None
    assert table.grad is not None
    assert found.is_sparse
    assert torch.allclose(found.to_dense(), table.grad, atol=1e-4)


def test_rows_are_short_in_training_only() -> None:
    encoder = SkipGram({"token": 9}, dim=4, dtype="bfloat16")
    numbers = torch.arange(9)[None]
    assert encoder(numbers, numbers)["context"].dtype == torch.bfloat16
    encoder.eval()
    assert torch.equal(encoder(numbers)["embedding"][0], encoder.embedding)
    with pytest.raises(ValueError, match="dtype=int8: it must be one of auto, float32, bfloat16"):
        SkipGram({"token": 9}, dtype="int8")
