"""Terms of autoencoders and shared heads, and their weighted sum, against plain code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from embloom.losses.kl import KL
from embloom.losses.l1 import L1
from embloom.losses.linear_head import LinearHead
from embloom.losses.weighted import WeightedLoss


def test_kl_is_that_of_the_distributions() -> None:
    mean, log_variance = torch.randn(6, 3).double(), torch.randn(6, 3).double()
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(KL()(mean, log_variance), expected)
    assert KL()(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_gradients_are_those_of_differences() -> None:
    mean, log_variance = (torch.randn(4, 3).double().requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(KL(), (mean, log_variance))
    assert torch.autograd.gradcheck(L1(), (mean,))
    head = LinearHead({"embedding": 3, "target": 4}).double()
    assert torch.autograd.gradcheck(lambda x: head(x, torch.tensor([0, 1, 2, 3])), (mean,))


def test_head_is_a_linear_layer_and_cross_entropy() -> None:
    head = LinearHead({"embedding": 3, "target": 4}, label_smoothing=0.1)
    x, y = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 0])
    logits = x @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(head(x, y), F.cross_entropy(logits, y, label_smoothing=0.1))
    torch.testing.assert_close(head.scores(x), logits)
    with pytest.raises(ValueError, match="label_smoothing=2"):
        LinearHead({"embedding": 3, "target": 4}, label_smoothing=2)


def heads(**weights: object) -> WeightedLoss:
    nodes = {
        name: {
            "_target_": "embloom.losses.linear_head.LinearHead",
            "of": {"embedding": "embedding", "target": name},
            "weight": weight,
        }
        for name, weight in weights.items()
    }
    return WeightedLoss(nodes, {"embedding": 3, "color": 2, "shape": 4}, {})


TENSORS = {
    "embedding": torch.randn(5, 3),
    "color": torch.tensor([0, 1, 0, 1, 0]),
    "shape": torch.tensor([0, 1, 2, 3, 0]),
}


def test_learned_weights_are_kendalls() -> None:
    loss = heads(color="learned", shape="learned")
    with torch.no_grad():
        loss.log_variances["color"].fill_(0.7)
        loss.log_variances["shape"].fill_(-0.3)
    total, terms = loss(TENSORS)
    expected = sum(
        terms[name] / sigma**2 + torch.log(torch.tensor(sigma))
        for name, sigma in (("color", 2.718281828**0.35), ("shape", 2.718281828**-0.15))
    )
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(torch.tensor(float(loss.factors()["color"])), torch.tensor(-0.7).exp())


def test_a_learned_weight_settles_where_it_is_half_the_inverse_of_its_term() -> None:
    # The derivative of exp(-s) L + s / 2 vanishes at exp(-s) = 1 / (2 L).
    loss = heads(color="learned")
    solver = torch.optim.SGD(loss.log_variances.parameters(), lr=0.5)
    for _ in range(200):
        solver.zero_grad()
        total, terms = loss(TENSORS)
        total.backward()
        solver.step()
    assert float(loss.factors()["color"]) == pytest.approx(1 / (2 * float(terms["color"].detach())), rel=1e-3)


def test_fixed_and_learned_weights_mix() -> None:
    loss = heads(color=0.5, shape="learned")
    total, terms = loss(TENSORS)
    torch.testing.assert_close(total, 0.5 * terms["color"] + terms["shape"])
    (0.5 * total).backward()
    assert loss.log_variances["shape"].grad == pytest.approx(0.5 * (0.5 - float(terms["shape"].detach())), rel=1e-5)


def test_a_weight_that_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss\.color\.weight=lerned: .* or learned"):
        heads(color="lerned")
