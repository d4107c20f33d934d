"""Pairs in stretches: every one once an epoch, in order within a batch, from anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from embloom.data import interleaved
from embloom.data.interleaved import Interleaved, interleave
from harness import assert_same


@pytest.mark.parametrize("count", [1, 3, 1024, 1500, 4096, 10_007])
@pytest.mark.parametrize("most", [1, 3000, 1 << 20])
def test_every_pair_once_and_in_order(count: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved, "LEAST", 64)
    ascending = np.arange(count, dtype=np.int64) * 3
    interleave(ascending, tmp_path / "pairs.npy", most)
    stored = torch.from_numpy(np.load(tmp_path / "pairs.npy"))
    loader = Interleaved({"pair": stored, "count": stored.float()}, 200, seed=1, min_batches=4)
    epochs = []
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) == len(loader)
        for batch in batches:
            assert (batch["pair"].diff() > 0).all()
            assert torch.equal(batch["count"], batch["pair"].float())
        assert torch.equal(torch.cat([b["pair"] for b in batches]).sort().values, torch.from_numpy(ascending))
        epochs.append(batches)
    if count > 1000:
        assert len(loader) >= 4
        assert len(epochs[0][0]["pair"]) < 1.3 * count / len(loader) + 64
        assert not torch.equal(epochs[0][0]["pair"][:20], epochs[1][0]["pair"][:20])
        loader.load_state_dict({"batch": 2})
        assert_same(list(loader), epochs[1][2:])


def test_processes_share_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved, "LEAST", 64)
    columns = {"pair": torch.arange(1000)}
    whole = list(Interleaved(columns, 200, seed=0))
    parts = [list(Interleaved(columns, 200, seed=0, rank=rank, world_size=2)) for rank in range(2)]
    for batch, one, other in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([one["pair"], other["pair"]]).sort().values, batch["pair"].sort().values)
