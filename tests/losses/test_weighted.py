"""The weighted sum: its numbers, its gradients, its renames, for every loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from embloom.assembly import own
from embloom.losses.weighted import WeightedLoss

SIZES = {"embedding": 4, "hidden_0": 6, "label": 4}
TERMS: dict[str, dict[str, Any]] = {
    "cross_entropy": {
        "_target_": "embloom.losses.cross_entropy.CrossEntropy", "of": {"input": "embedding", "target": "label"},
        "label_smoothing": 0.1,
    },
    "mse": {"_target_": "embloom.losses.mse.MSE", "of": {"input": "embedding", "target": "label"}},
    "supervised_contrastive": {
        "_target_": "embloom.losses.supervised_contrastive.SupervisedContrastive", "of": {"target": "label"},
    },
    "triplet": {"_target_": "embloom.losses.triplet.Triplet", "of": {"target": "label", "embedding": "hidden_0"}},
    # A loss of torch's own takes no Python.
    "torch": {"_target_": "torch.nn.CrossEntropyLoss", "of": {"input": "embedding", "target": "label"}},
}  # fmt: skip


def tensors() -> dict[str, Tensor]:
    made = torch.Generator().manual_seed(0)
    return {
        "embedding": torch.randn(8, 4, dtype=torch.float64, generator=made, requires_grad=True),
        "hidden_0": torch.randn(8, 6, dtype=torch.float64, generator=made, requires_grad=True),
        "label": torch.randint(0, 4, (8,), generator=made),
    }


def gradient(of: Tensor, tensors: dict[str, Tensor]) -> list[Tensor]:
    leaves = [t for t in tensors.values() if t.requires_grad]
    return list(torch.autograd.grad(of, leaves, retain_graph=True, allow_unused=True, materialize_grads=True))


def weighted(*names: str, **weights: float) -> WeightedLoss:
    nodes = {n: {**TERMS[n], **({"weight": weights[n]} if n in weights else {})} for n in names}
    return WeightedLoss(nodes, SIZES, {})


@pytest.mark.parametrize("name", TERMS)
def test_half_the_weight_is_half_the_loss_and_half_the_gradient(name: str) -> None:
    values = tensors()
    whole, terms = weighted(name)(values)
    half, half_terms = weighted(name, **{name: 0.5})(values)
    assert torch.equal(whole, terms[name])
    assert torch.equal(half_terms[name], terms[name])  # what is logged does not depend on the weight
    assert torch.equal(half, 0.5 * whole)
    for one, other, scaled in zip(
        gradient(whole, values), gradient(half, values), gradient(0.5 * whole, values), strict=True
    ):
        torch.testing.assert_close(other, 0.5 * one, rtol=1e-12, atol=0)
        torch.testing.assert_close(scaled, 0.5 * one, rtol=1e-12, atol=0)


def test_total_is_the_sum_of_weight_times_term() -> None:
    weights = {"cross_entropy": 2.0, "mse": 0.25, "triplet": 3.5, "supervised_contrastive": 1.0}
    values = tensors()
    total, terms = weighted(*weights, **weights)(values)
    assert list(terms) == list(weights)
    torch.testing.assert_close(total, torch.stack([weights[n] * terms[n] for n in terms]).sum())
    expected = [0 * g for g in gradient(total, values)]
    for name, weight in weights.items():
        alone, _ = weighted(name)(values)
        assert torch.equal(alone, terms[name])
        expected = [e + weight * g for e, g in zip(expected, gradient(alone, values), strict=True)]
    torch.testing.assert_close(gradient(total, values), expected)


def test_weight_zero_is_watched_and_not_learned() -> None:
    values = tensors()
    total, terms = weighted("mse", "triplet", triplet=0)(values)
    assert terms["triplet"] > 0
    assert not terms["triplet"].requires_grad
    assert torch.equal(total, terms["mse"])


class Swapped(nn.Module):
    """Its parameter names are tensors' names too, which only the renames tell apart."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__()
        self.head = nn.Linear(sizes["hidden_0"], 1, bias=False, dtype=torch.float64)

    def forward(self, embedding: Tensor, hidden_0: Tensor) -> Tensor:
        return self.head(hidden_0).sum() + 0 * embedding.sum()


def test_renames_reach_the_tensors_and_the_sizes() -> None:
    node: dict[str, Any] = {"_target_": "parts:loss.swapped", "of": {"embedding": "hidden_0", "hidden_0": "embedding"}}
    with own.parts(classes={node["_target_"]: Swapped}):
        loss = WeightedLoss({"swapped": node}, SIZES, {})
    head = loss.terms["swapped"].head
    assert isinstance(head, nn.Linear)
    assert head.in_features == SIZES["embedding"]
    values = tensors()
    torch.testing.assert_close(loss(values)[0], (values["embedding"] @ head.weight.T).sum())
    assert [name for name, _ in loss.named_parameters()] == ["terms.swapped.head.weight"]


def test_scores_of_the_terms_that_classify() -> None:
    values = tensors()
    found = weighted("cross_entropy", "triplet", "mse", "torch").scored(values)
    assert set(found) == {"cross_entropy", "mse"}
    for scores, target in found.values():
        assert torch.equal(scores, values["embedding"])
        assert torch.equal(target, values["label"])


def test_a_term_whose_target_is_no_class_has_no_scores() -> None:
    restores = WeightedLoss({"mse": {**TERMS["mse"], "of": {"input": "embedding", "target": "hidden_0"}}}, {}, {})
    assert restores.scored({"embedding": torch.randn(8, 4), "hidden_0": torch.randn(8, 4)}) == {}


def test_scores_follow_the_renames() -> None:
    node = {
        "_target_": "embloom.losses.linear_head.LinearHead", "of": {"embedding": "hidden_0", "target": "label"},
    }  # fmt: skip
    loss = WeightedLoss({"head": node}, SIZES, {}).double()
    values = tensors()
    scores, _ = loss.scored(values)["head"]
    weight, bias = loss.state_dict().values()
    torch.testing.assert_close(scores, values["hidden_0"] @ weight.T + bias)
    assert loss.label("head") == "label"


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "big", True])
def test_refuses_a_weight_that_is_none(weight: Any) -> None:
    with pytest.raises(ValueError, match=r"^loss\.mse\.weight="):
        weighted("mse", mse=weight)


def test_refuses_unknown_parameters() -> None:
    with pytest.raises(ValueError, match=r"loss\.mse\.margin.*no such parameter"):
        WeightedLoss({"mse": {**TERMS["mse"], "margin": 1}}, SIZES, {})
    with pytest.raises(ValueError, match=r"loss\.mse\.of\.output"):
        WeightedLoss({"mse": {**TERMS["mse"], "of": {"output": "embedding"}}}, SIZES, {})


def test_names_the_tensor_that_nobody_provides() -> None:
    (message,) = weighted("cross_entropy").missing(["hidden_0", "label"])
    assert "'embedding'" in message
    assert "loss.cross_entropy.of.input=" in message


def test_accuracies_are_called_by_label_so_that_losses_overlay() -> None:
    assert weighted("cross_entropy", "triplet").by_label() == {"cross_entropy": "label"}
    assert weighted("mse").by_label() == {"mse": "label"}
    # Two of one label: the first is the label's, the other says its name.
    assert weighted("mse", "cross_entropy").by_label() == {"mse": "label", "cross_entropy": "label_cross_entropy"}
