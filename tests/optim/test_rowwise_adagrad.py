"""Row-wise Adagrad: sparse and dense gradients are the same step, and repeated rows add up first."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from embloom.encoders.lookup import lookup
from embloom.encoders.sorting import sorting_order
from embloom.optim.rowwise_adagrad import RowwiseAdagrad, move, summed
from embloom.training.components import optimizer_maker

ROWS, WIDTH = 3000, 5


def stepped(
    sparse: bool, threads: int = 1, steps: int = 3, widths: list[int] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    table = nn.Parameter(torch.randn(ROWS, WIDTH, generator=draw))
    optimizer = RowwiseAdagrad([table], lr=0.1, initial=0.01, widths=widths)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    for _ in range(steps):
        rows = torch.randint(2000, (4096,), generator=draw)
        values = torch.randn(4096, WIDTH, generator=draw)
        gradient = torch.sparse_coo_tensor(rows[None], values, table.shape)
        table.grad = gradient if sparse else gradient.to_dense()
        optimizer.step()
    torch.set_num_threads(before)
    return table.detach(), optimizer.state[table]["sum"]


def test_one_step_is_the_formula() -> None:
    table = nn.Parameter(torch.zeros(3, 2))
    optimizer = RowwiseAdagrad([table], lr=0.5, initial=1.0)
    table.grad = torch.sparse_coo_tensor(torch.tensor([[1, 1]]), torch.tensor([[1.0, 2.0], [2.0, 2.0]]), (3, 2))
    optimizer.step()
    g = torch.tensor([3.0, 4.0])
    assert torch.allclose(table[1], -0.5 * g / (1 + 12.5) ** 0.5)
    assert not table[[0, 2]].any()
    assert optimizer.state[table]["sum"].tolist() == [1.0, 13.5, 1.0]


@pytest.mark.parametrize("widths", [None, [2, 3]])
def test_sparse_is_dense(widths: list[int] | None) -> None:
    for one, other in zip(stepped(True, widths=widths), stepped(False, widths=widths), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_stretches_are_tables_of_their_own() -> None:
    draw = torch.Generator().manual_seed(3)
    whole = nn.Parameter(torch.zeros(20, 6))
    parts = [nn.Parameter(torch.zeros(20, width)) for width in (2, 4)]
    one, other = RowwiseAdagrad([whole], initial=0.1, widths=[6, 2]), RowwiseAdagrad(parts, initial=0.1)
    for _ in range(3):
        rows, values = torch.randint(20, (50,), generator=draw), torch.randn(50, 6, generator=draw)
        for table, some in zip((whole, *parts), (values, values[:, :2], values[:, 2:]), strict=True):
            table.grad = torch.sparse_coo_tensor(rows[None], some, table.shape)
        one.step()
        other.step()
    assert torch.allclose(whole, torch.hstack([part.data for part in parts]), atol=1e-6)


def test_threads_change_no_bit() -> None:
    for one, other in zip(stepped(True, 1), stepped(True, 2), strict=True):
        assert torch.equal(one, other)


def test_takes_short_gradients_as_they_come() -> None:
    draw = torch.Generator().manual_seed(0)
    rows, values = torch.randint(40, (500,), generator=draw), torch.randn(500, WIDTH, generator=draw)
    tables = []
    for dtype in (torch.bfloat16, torch.float32):
        table = nn.Parameter(torch.zeros(50, WIDTH))
        optimizer = RowwiseAdagrad([table], lr=0.1, initial=0.01)
        taken = lookup(rows, table, True, dtype)
        taken.backward(values.bfloat16().to(dtype))
        assert table.grad is not None
        assert table.grad.dtype == dtype
        optimizer.step()
        tables.append(table.detach())
    # Sums are rounded once, to 8 bits.
    assert torch.allclose(tables[0], tables[1], atol=0.1 * 2**-7)


def test_other_optimizers_get_what_they_know() -> None:
    table = nn.Parameter(torch.zeros(50, WIDTH))
    optimizer = torch.optim.SparseAdam([table])
    lookup(torch.tensor([3, 3, 7]), table, True, torch.bfloat16).sum().backward()
    assert table.grad is not None
    assert table.grad.dtype == torch.float32
    optimizer.step()
    assert table.detach().any(1).nonzero().flatten().tolist() == [3, 7]


def test_the_way_for_gpus_sums_alike() -> None:
    rows = torch.randint(50, (400,), generator=torch.Generator().manual_seed(0))
    values = torch.randn(400, 3, generator=torch.Generator().manual_seed(1))
    found, sums = summed(rows, values)
    assert len(found) == 400
    table = torch.zeros(50, 3).index_add_(0, found, sums)
    assert torch.allclose(table, torch.zeros(50, 3).index_add_(0, rows, values), atol=1e-5)


@pytest.mark.parametrize("limit", [5, 60_000, 1 << 17, 1 << 40])
def test_sorting_order_is_stable_argsort(limit: int) -> None:
    numbers = np.random.default_rng(0).integers(0, limit, 5000)
    assert (sorting_order(numbers) == numbers.argsort(kind="stable")).all()


@pytest.mark.parametrize("widths", [None, [1]])
def test_no_rows_are_moved_on_any_device(widths: list[int] | None) -> None:
    empty = nn.Parameter(torch.ones(0, 2))
    optimizer = RowwiseAdagrad([empty], widths=widths)
    empty.grad = torch.ones(0, 2)
    optimizer.step()
    table, rows = torch.ones(3, 2), torch.zeros(0, dtype=torch.long)
    move(table, torch.ones(3), *summed(rows, torch.zeros(0, 2)), optimizer.param_groups[0])
    assert torch.equal(table, torch.ones(3, 2))


def test_states_from_before_there_were_stretches_are_gone_on_with() -> None:
    tables = [nn.Parameter(torch.zeros(4, 6)) for _ in range(2)]
    old, new = RowwiseAdagrad([tables[0]]), RowwiseAdagrad([tables[1]], widths=[2])
    for step in range(2):
        for table, optimizer in zip(tables, (old, new), strict=True):
            table.grad = torch.sparse_coo_tensor(torch.tensor([[1, 2]]), torch.arange(12.0).view(2, 6), (4, 6))
            if step or optimizer is old:
                optimizer.step()
        if not step:
            tables[1].data.copy_(tables[0].data)
            saved = deepcopy(old.state_dict())
            del saved["param_groups"][0]["widths"]
            new.load_state_dict(saved)
    assert torch.equal(*tables)


def test_a_vector_is_one_row() -> None:
    vector = nn.Parameter(torch.zeros(6))
    optimizer = RowwiseAdagrad([vector], widths=[2])
    vector.grad = torch.ones(6)
    optimizer.step()
    assert optimizer.state[vector]["sum"].shape == (1,)


def test_nested_widths_reach_it() -> None:
    node = {"_target_": "embloom.optim.rowwise_adagrad.RowwiseAdagrad", "lr": 0.1}
    table = nn.Parameter(torch.zeros(2, 8))
    assert optimizer_maker(node, [4, 2])([table]).param_groups[0]["widths"] == [2, 4]
    assert optimizer_maker({"_target_": "torch.optim.Adam"}, [4])([table]).param_groups[0]["lr"] == 0.001


def test_empty_gradient_moves_nothing() -> None:
    table = nn.Parameter(torch.ones(3, 2))
    table.grad = torch.sparse_coo_tensor(torch.zeros(1, 0, dtype=torch.long), torch.zeros(0, 2), (3, 2))
    RowwiseAdagrad([table]).step()
    assert torch.equal(table.detach(), torch.ones(3, 2))


def test_refuses() -> None:
    table = nn.Parameter(torch.ones(2, 2))
    with pytest.raises(ValueError, match="initial=-1"):
        RowwiseAdagrad([table], initial=-1)
    with pytest.raises(ValueError, match="widths=0"):
        RowwiseAdagrad([table], widths=[0])
