"""Held-out rows: each once, of each class its share, the same for the same seed."""

from __future__ import annotations

import pytest
import torch

from embloom.data.splits import HeldOut, balanced, stratified

LABELS = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]


def counts(rows: torch.Tensor) -> list[int]:
    return torch.bincount(LABELS[rows], minlength=3).tolist()


def test_each_class_gives_its_share_or_as_many_as_the_others() -> None:
    assert counts(stratified(LABELS, 100, 3)) == [90, 9, 1]
    assert counts(balanced(LABELS, 30, 3)) == [10, 10, 10]
    assert counts(balanced(LABELS, 100, 3)) == [45, 45, 10]
    even = torch.arange(60) % 3
    for count in (1, 7, 30, 60):
        assert torch.equal(stratified(even, count, 3), balanced(even, count, 3))


@pytest.mark.parametrize("train_size", [None, 60])
@pytest.mark.parametrize("test", [True, False])
def test_rows_are_parted_and_seeded(train_size: int | None, test: bool) -> None:
    held_out = HeldOut(0.1, 0.2, split_seed=3, train_size=train_size)
    rows = held_out.rows(LABELS, 3, "x", "rows", test=test)
    every = torch.cat(list(rows.values()))
    assert len(every.unique()) == len(every)
    used = train_size or (800 if test else 1000)
    assert {split: len(some) for split, some in rows.items()} == {
        "train": used - used // 10, "val": used // 10, **({"test": 200} if test else {}),
    }  # fmt: skip
    again = held_out.rows(LABELS, 3, "x", "rows", test=test)
    assert all(torch.equal(rows[split], again[split]) for split in rows)
    other = HeldOut(0.1, 0.2, split_seed=4, train_size=train_size).rows(LABELS, 3, "x", "rows", test=test)
    assert not torch.equal(rows["val"], other["val"])
