"""The linear probe with few labels: which samples it sees, and what it makes of them."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits

from embloom.probes.base import Frozen
from embloom.probes.few_labels import FewLabels
from embloom.probes.linear import Linear


def digits() -> Frozen:
    bundle = load_digits()
    rows, labels = torch.from_numpy(bundle.data).float(), torch.from_numpy(bundle.target).long()
    fit, score = ({"embedding": rows[part], "digit": labels[part]} for part in (slice(None, 900), slice(900, None)))
    return Frozen(fit, score, {"digit": 10})


def test_all_labels_are_the_linear_probe() -> None:
    frozen = digits()
    few = FewLabels(count=900, draws=1, penalty=1e-2)(frozen)["linear900_digit"]
    assert few == pytest.approx(Linear(1e-2)(frozen)["linear_digit"], abs=0.003)


def test_more_labels_are_better_and_draws_are_averaged() -> None:
    frozen = digits()
    scores = [FewLabels(count, draws=5)(frozen)[f"linear{count}_digit"] for count in (10, 50, 300)]
    assert 0.5 < scores[0] < scores[1] - 0.05 < scores[2] - 0.1
    single = FewLabels(50, draws=1)(frozen)["linear50_digit"]
    assert single != scores[1]
    assert single == pytest.approx(scores[1], abs=0.08)


def test_the_same_draws_each_time() -> None:
    torch.manual_seed(1)
    first = FewLabels(20, draws=2)(digits())
    torch.manual_seed(2)
    assert FewLabels(20, draws=2)(digits()) == first


def test_rare_classes_are_drawn_as_often_as_frequent_ones() -> None:
    """Two classes of which one has 1 % of the samples, with one label of each both are found."""
    labels = (torch.arange(1000) % 100 == 0).long()
    columns = {"embedding": torch.eye(2)[labels], "label": labels}
    assert FewLabels(2, draws=3)(Frozen(columns, columns, {"label": 2})) == {"linear2_label": 1.0}


def test_refuses_more_labels_than_there_are() -> None:
    with pytest.raises(ValueError, match=r"count=1000: there are only 900"):
        FewLabels(1000)(digits())
    with pytest.raises(ValueError, match=r"^count=0"):
        FewLabels(0)
