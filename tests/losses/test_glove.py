"""GloVe's loss against a plain loop over pairs, and its gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from embloom.losses import glove
from embloom.losses.glove import GloVe

V, D, B = 9, 4, 40
TABLES = ("word", "context", "word_bias", "context_bias")


def case(dtype: torch.dtype = torch.float64, pairs: int = B) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    shapes = {"word": (V, D), "context": (V, D), "word_bias": (V, 1), "context_bias": (V, 1)}
    tables = {n: torch.randn(s, generator=draw, dtype=dtype).requires_grad_() for n, s in shapes.items()}
    token, context = torch.randint(V, (2, pairs), generator=draw)
    return {**tables, "token": token, "context_token": context, "count": torch.rand(pairs, generator=draw) * 30 + 0.1}


def pair_by_pair(x: dict[str, Tensor], x_max: float, alpha: float) -> Tensor:
    """The formula, pair by pair."""
    total = torch.zeros((), dtype=torch.float64)
    for i, j, count in zip(x["token"].tolist(), x["context_token"].tolist(), x["count"].tolist(), strict=True):
        difference = x["word"][i] @ x["context"][j] + x["word_bias"][i, 0] + x["context_bias"][j, 0] - math.log(count)
        total = total + min(1.0, (count / x_max) ** alpha) * difference**2
    return total / len(x["token"])


@pytest.mark.parametrize("order", ["any", "words", "context words"])
@pytest.mark.parametrize("size", [1, 7, 1000], ids="slices of {}".format)
def test_is_the_mean_over_pairs(order: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order the pairs come in, and however many are done at a time."""
    monkeypatch.setattr(glove, "SLICE", size)
    x = case()
    if order != "any":
        place = x["token" if order == "words" else "context_token"].argsort()
        x |= {name: x[name][place] for name in ("token", "context_token", "count")}
    value, expected = GloVe(8.0, 0.6)(**x), pair_by_pair(x, 8.0, 0.6)
    assert torch.allclose(value, expected)
    wanted = torch.autograd.grad(expected, [x[name] for name in TABLES])
    for one, other in zip(torch.autograd.grad(value, [x[name] for name in TABLES]), wanted, strict=True):
        assert one.is_sparse
        assert torch.allclose(one.to_dense(), other)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_gradient(factor: float) -> None:
    x = case()
    fixed = {name: x[name] for name in ("token", "context_token", "count")}

    def dense(*tables: Tensor) -> Tensor:
        # gradcheck looks at each number of a dense gradient.
        copies = [Dense.apply(table) for table in tables]
        return factor * GloVe()(*copies, **fixed)

    assert torch.autograd.gradcheck(dense, [x[name] for name in TABLES])


class Dense(torch.autograd.Function):
    """A table as it is, its gradient with all rows."""

    @staticmethod
    def forward(ctx: object, table: Tensor) -> Tensor:
        return table.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient.to_dense()


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glove, "SLICE", 50)
    x, threads, found = case(torch.float32, 1000), torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        value = GloVe()(**x)
        found.append([value.detach(), *(g.to_dense() for g in torch.autograd.grad(value, [x[n] for n in TABLES]))])
    torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    exact = pair_by_pair({n: x[n].double() if n in TABLES else x[n] for n in x}, 10.0, 0.75)
    assert found[0][0].item() == pytest.approx(exact.item(), rel=1e-5)


@pytest.mark.parametrize("bad", [{"x_max": 0}, {"alpha": -1}])
def test_refuses(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(bad))}="):
        GloVe(**bad)
