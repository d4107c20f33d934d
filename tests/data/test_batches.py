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


def passing(epoch: int, done: int = 0, **options: int) -> list[list[int]]:
    """Epochs of at least 20 batches of 8 of 53 samples: three passes of seven."""
    order = Order(53, 8, seed=0, min_batches=20, **options)
    batches = Batches(COLUMNS, order)
    batches.load_state_dict({"batch": done})
    order.set_epoch(epoch)
    return [batch["label"].tolist() for batch in batches]


@pytest.mark.parametrize(("least", "passes"), [(1, 1), (7, 1), (8, 2), (20, 3), (21, 3), (22, 4)])
def test_an_epoch_of_few_samples_goes_through_them_several_times(least: int, passes: int) -> None:
    order = Order(53, 8, seed=0, min_batches=least)
    batches = labels(order)
    assert len(batches) == len(order) == 7 * passes >= least
    for number in range(passes):  # each pass is a whole one
        assert sorted(sum(batches[7 * number : 7 * (number + 1)], [])) == list(range(53))


def test_every_pass_of_every_epoch_has_an_order_of_its_own() -> None:
    orders = [sum(batches[7 * p : 7 * (p + 1)], []) for batches in map(passing, range(4)) for p in range(3)]
    assert len({tuple(order) for order in orders}) == 12
    assert passing(2) == passing(2)


@pytest.mark.parametrize("done", range(22))
def test_resumes_inside_any_pass(done: int) -> None:
    assert passing(5, done) == passing(5)[done:]


def test_the_epoch_after_a_resume_is_whole() -> None:
    order = Order(53, 8, seed=0, min_batches=20)
    order.start = 10
    assert len(labels(order)) == 11
    order.set_epoch(1)
    assert labels(order) == passing(1)


def test_processes_share_every_pass() -> None:
    whole = passing(3)
    shares = [passing(3, rank=rank, world_size=2) for rank in range(2)]
    for batch, one, other in zip(whole, *shares, strict=True):
        assert sorted(batch) == sorted(one + other)


def test_fewer_samples_than_processes_are_no_endless_epoch() -> None:
    assert labels(Order(1, 8, seed=0, world_size=2, min_batches=20)) == []
