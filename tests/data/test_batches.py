"""Batches: every sample once, in an order that is a function of seed and epoch, resumable in the middle."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from embloom.data.batches import Batches, Order

COLUMNS = {"image": torch.arange(53)[:, None] * torch.ones(1, 3), "label": torch.arange(53)}


def labels(order: Order) -> list[list[int]]:
    return [batch["label"].tolist() for batch in Batches(COLUMNS, order)]


def shuffled(epoch: int, seed: int = 0) -> list[list[int]]:
    order = Order(53, 8, seed=seed)
    order.set_epoch(epoch)
    return labels(order)


@pytest.mark.parametrize("seed", [None, 0, 7])
@pytest.mark.parametrize("batch_size", [1, 8, 53, 100])
def test_every_sample_once_in_an_epoch(seed: int | None, batch_size: int) -> None:
    order = Order(53, batch_size, seed=seed)
    batches = labels(order)
    assert sorted(sum(batches, [])) == list(range(53))
    assert len(batches) == len(order) == -(-53 // batch_size)
    assert {len(b) for b in batches[:-1]} <= {batch_size}


def test_columns_stay_together() -> None:
    for batch in Batches(COLUMNS, Order(53, 8, seed=1)):
        assert torch.equal(batch["image"], batch["label"][:, None] * torch.ones(1, 3))


def test_without_a_seed_the_order_is_that_of_the_samples() -> None:
    order = Order(53, 8)
    order.set_epoch(3)
    assert sum(labels(order), []) == list(range(53))


def test_order_is_a_function_of_seed_and_epoch() -> None:
    torch.manual_seed(1)
    first = shuffled(2)
    torch.manual_seed(2)
    torch.rand(100)
    assert shuffled(2) == first
    assert shuffled(3) != first
    assert shuffled(2, seed=1) != first
    assert sum(first, []) != list(range(53))


def test_epochs_can_be_visited_in_any_order() -> None:
    order = Order(53, 8, seed=0)
    visited = {}
    for epoch in (4, 0, 2):
        order.set_epoch(epoch)
        visited[epoch] = labels(order)
    assert visited == {epoch: shuffled(epoch) for epoch in visited}


@pytest.mark.parametrize("done", [0, 1, 4, 6])
def test_resumes_inside_an_epoch(done: int) -> None:
    batches = Batches(COLUMNS, Order(53, 8, seed=0))
    batches.load_state_dict({"batch": done})
    assert batches.state_dict() == {"batch": done}
    iterator = iter(batches)  # Lightning makes the iterator before it sets the epoch
    batches.sampler.set_epoch(5)
    assert [b["label"].tolist() for b in iterator] == shuffled(5)[done:]
    batches.sampler.set_epoch(6)
    assert [b["label"].tolist() for b in batches] == shuffled(6)  # the next epoch is whole


@pytest.mark.parametrize(("count", "world"), [(53, 2), (53, 3), (48, 4), (50, 4)])
def test_processes_share_each_batch(count: int, world: int) -> None:
    def of_rank(rank: int) -> list[Tensor]:
        return list(Order(count, 8, seed=3, rank=rank, world_size=world))

    whole = list(Order(count, 8, seed=3))
    shares = [of_rank(rank) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    for step, batches in enumerate(zip(*shares, strict=True)):
        assert all(len(batch) for batch in batches)
        assert sorted(torch.cat(batches).tolist()) == sorted(whole[step].tolist())
    # All that may be missing is a last batch that cannot give each process a sample.
    left_out = whole[len(shares[0]) :]
    assert sum(len(b) for b in left_out) < world
