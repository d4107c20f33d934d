"""Skip-gram's losses against plain loops over pairs, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.losses.full_softmax import FullSoftmax
from embloom.losses.nce import NCE
from embloom.losses.negative_sampling import NegativeSampling
from embloom.losses.sampled_softmax import SampledSoftmax

B, L, C, K, D, V = 3, 5, 6, 7, 4, 11
Case = dict[str, Tensor]


def case(blocks: int = B) -> Case:
    draw = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    weight = torch.rand(blocks, C, L, generator=draw, dtype=torch.float64)
    weight[torch.rand(blocks, C, L, generator=draw) < 0.6] = 0
    return {
        "center": normal(blocks, L, D).requires_grad_(),
        "context": normal(blocks, C + K, D).requires_grad_(),
        "output": normal(V, D).requires_grad_(),
        "positives": weight,
        "token": torch.randint(V, (blocks, C), generator=draw),
        "log_noise": normal(blocks, C + K) - 3,
    }


def pair_by_pair(name: str, x: Case, negative: float = 5.0) -> Tensor:
    """The sum over pairs, written as the formulas are."""
    total = torch.zeros((), dtype=torch.float64)
    for b in range(len(x["center"])):
        for place in range(L):
            c = x["center"][b, place]
            noise = [x["context"][b, C + k] @ c for k in range(K)]
            lifted = [s - x["log_noise"][b, C + k] - math.log(K) for k, s in enumerate(noise)]
            for j in range(C):
                s = x["context"][b, j] @ c
                t = s - x["log_noise"][b, j] - math.log(K)
                if name == "negative_sampling":
                    one = -F.logsigmoid(s) - negative / K * sum(F.logsigmoid(-n) for n in noise)
                elif name == "nce":
                    one = -F.logsigmoid(t) - sum(F.logsigmoid(-n) for n in lifted)
                elif name == "sampled_softmax":
                    one = -torch.stack([t, *lifted]).log_softmax(0)[0]
                else:
                    one = -(x["output"] @ c).log_softmax(0)[x["token"][b, j]]
                total = total + x["positives"][b, j, place] * one
    return total


LOSSES: dict[str, tuple[nn.Module, tuple[str, ...]]] = {
    "negative_sampling": (NegativeSampling(), ("center", "context", "positives")),
    "nce": (NCE(), ("center", "context", "positives", "log_noise")),
    "sampled_softmax": (SampledSoftmax(), ("center", "context", "positives", "log_noise")),
    "full_softmax": (FullSoftmax(), ("center", "output", "token", "positives")),
}


@pytest.mark.parametrize("name", LOSSES)
def test_is_the_mean_over_pairs(name: str) -> None:
    loss, names = LOSSES[name]
    x = case()
    value = loss(**{n: x[n] for n in names})
    expected = pair_by_pair(name, x) / x["positives"].sum()
    assert torch.allclose(value, expected)
    found = torch.autograd.grad(value, [x[n] for n in names if x[n].requires_grad])
    wanted = torch.autograd.grad(expected, [x[n] for n in names if x[n].requires_grad])
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_gradient(name: str, factor: float) -> None:
    loss, names = LOSSES[name]
    x = case()
    free = [n for n in names if x[n].requires_grad]
    fixed = {n: x[n] for n in names if n not in free}
    assert torch.autograd.gradcheck(lambda *given: factor * loss(**dict(zip(free, given, strict=True)), **fixed),
                                    [x[n] for n in free])  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_no_pair_is_no_loss(name: str) -> None:
    loss, names = LOSSES[name]
    x = case() | {"positives": torch.zeros(B, C, L)}
    value = loss(**{n: x[n] for n in names})
    value.backward()
    assert value.item() == 0
    assert not x["center"].grad.any()  # type: ignore[union-attr]


def test_sum_and_other_weights() -> None:
    x = case()
    loss = NegativeSampling(negative=2.0, reduction="sum")
    value = loss(x["center"], x["context"], x["positives"])
    assert torch.allclose(value, pair_by_pair("negative_sampling", x, 2.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_short_numbers_and_threads_stay_near(dtype: torch.dtype) -> None:
    x = case(67)  # blocks enough for two threads, and no multiple
    exact = NegativeSampling()(x["center"], x["context"], x["positives"])
    want = torch.autograd.grad(exact, [x["center"], x["context"]])
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        center, context = (x[n].detach().to(dtype).requires_grad_() for n in ("center", "context"))
        value = NegativeSampling()(center, context, x["positives"].float())
        results.append((value.detach(), *torch.autograd.grad(value, [center, context])))
    torch.set_num_threads(threads)
    rough = 1e-5 if dtype == torch.float32 else 2e-2
    for value, by_center, by_context in results:
        assert value.dtype == torch.float32
        assert float(value) == pytest.approx(float(exact), rel=rough)
        for found, wanted in ((by_center, want[0]), (by_context, want[1])):
            assert float((found - wanted).norm() / wanted.norm()) < rough
    # Which thread had a block changes nothing but the order in which two sums are added.
    assert torch.equal(results[0][1], results[1][1])


def test_validation_computes_no_gradient() -> None:
    x = case()
    with torch.inference_mode():
        value = NegativeSampling()(x["center"].detach(), x["context"].detach(), x["positives"])
    assert torch.isfinite(value)


@pytest.mark.parametrize("bad", [{"negative": 0}, {"reduction": "max"}])
def test_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(bad))}="):
        NegativeSampling(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("noise", [1, 2, 6])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_what_the_window_does_not_reach_need_not_be_scored(window: int, noise: int, dtype: torch.dtype) -> None:
    words = 17
    draw = torch.Generator().manual_seed(2)
    place = torch.arange(words)
    near = (place[:, None] - place).abs() <= window
    positives = torch.rand(70, words, words, generator=draw) * near  # not symmetric, and with a diagonal
    center, context = (torch.randn(70, n, D, generator=draw).to(dtype).requires_grad_() for n in (words, words + noise))
    wanted, found = (NegativeSampling(window=w)(center, context, positives) for w in (None, window))
    rough = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    assert torch.allclose(wanted, found, rtol=rough)
    gradients = [torch.autograd.grad(value, [center, context]) for value in (wanted, found)]
    for one, other in zip(*gradients, strict=True):
        assert float((one - other).norm() / one.norm()) < rough


def test_gradient_within_a_window() -> None:
    words = 9
    place = torch.arange(words)
    positives = torch.rand(2, words, words, dtype=torch.float64) * ((place[:, None] - place).abs() <= 1)
    center, context = (torch.randn(2, n, D, dtype=torch.float64, requires_grad=True) for n in (words, words + K))
    assert torch.autograd.gradcheck(NegativeSampling(window=1), (center, context, positives))
