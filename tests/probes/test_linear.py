"""The linear probe against scikit-learn's logistic regression, on real digits."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from embloom.probes.base import Frozen
from embloom.probes.linear import Linear


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows and labels to fit to, rows and labels to score; noise makes the task less easy."""
    bundle = load_digits()
    rows = torch.from_numpy(bundle.data).float()
    rows = rows + 4 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    labels = torch.from_numpy(bundle.target).long()
    return rows[:900], labels[:900], rows[900:], labels[900:]


@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_finds_what_scikit_learn_finds(penalty: float) -> None:
    x, y, score_x, score_y = digits()
    scaler = StandardScaler().fit(x.numpy())
    # scikit-learn minimises C * sum of losses + |w|^2 / 2; ours is the mean of losses + penalty / 2 * |w|^2.
    theirs = LogisticRegression(C=1 / (penalty * len(x)), max_iter=2000, tol=1e-7)
    theirs.fit(scaler.transform(x.numpy()), y.numpy())
    expected = theirs.predict(scaler.transform(score_x.numpy()))
    found = Linear(penalty, iterations=500).fitted(x, y, 10)(score_x).numpy()
    assert (found == expected).mean() > 0.99
    columns = {"embedding": x, "digit": y}, {"embedding": score_x, "digit": score_y}
    accuracy = Linear(penalty)(Frozen(*columns, {"digit": 10}))["linear_digit"]
    assert accuracy == pytest.approx((expected == score_y.numpy()).mean(), abs=0.006)
    assert 0.7 < accuracy < 0.99


def test_scale_shift_and_constant_features_make_no_difference() -> None:
    x, y, score_x, _ = digits()
    probe = Linear(1e-2)

    def changed(rows: Tensor) -> Tensor:
        return torch.cat([rows * 1000 - 7, torch.full((len(rows), 2), 3.0)], 1)

    one, other = probe.fitted(x, y, 10)(score_x), probe.fitted(changed(x), y, 10)(changed(score_x))
    assert (one == other).double().mean() > 0.995


def test_works_where_gradients_are_off_and_leaves_the_embedding_alone() -> None:
    x, y, score_x, _ = digits()
    before = x.clone()
    expected = Linear().fitted(x, y, 10)(score_x)
    with torch.inference_mode():
        assert torch.equal(Linear().fitted(x, y, 10)(score_x), expected)
    assert torch.equal(x, before)


def test_an_embedding_that_kept_nothing_scores_like_the_largest_class() -> None:
    labels = (torch.arange(300) % 10 > 6).long()
    columns = {"embedding": torch.ones(300, 4), "label": labels}
    assert Linear()(Frozen(columns, columns, {"label": 2})) == {"linear_label": pytest.approx(0.7)}


def test_every_layer_and_label_has_its_tag() -> None:
    columns = {"embedding": torch.eye(6), "hidden_0": torch.eye(6), "label": torch.arange(6) % 3}
    seen = Frozen(columns, columns, {"label": 3}, activations=["hidden_0", "embedding"])
    assert Linear(layers=["hidden_0", "embedding"])(seen) == {
        "linear_label_hidden_0": 1.0,
        "linear_label": 1.0,
    }


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"^penalty=-1"):
        Linear(penalty=-1)
    with pytest.raises(ValueError, match="penalty=car: it must be a number of at least 0, or auto"):
        Linear(penalty="car")
    with pytest.raises(ValueError, match=r"^iterations=0"):
        Linear(iterations=0)


def test_many_numbers_need_a_penalty_that_is_chosen() -> None:
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(2, (900,), generator=draw)
    x = torch.randn(900, 400, generator=draw)
    x[:, :40] += 0.2 * (2 * y[:, None] - 1)
    fit, score = ({"embedding": x[rows], "label": y[rows]} for rows in (slice(300), slice(300, 900)))
    seen = Frozen(fit, score, {"label": 2})
    scores = [Linear(penalty)(seen)["linear_label"] for penalty in (1e-4, 1e-3, 1e-2, 0.1, 1.0)]
    chosen = Linear("auto")(seen)["linear_label"]
    assert chosen > scores[0] + 0.03
    assert chosen > max(scores) - 0.03


@pytest.mark.parametrize("count", [6, 30])
def test_few_samples_are_not_held_back(count: int) -> None:
    draw = torch.Generator().manual_seed(1)
    y = torch.arange(300) % 3
    x = torch.randn(300, 4, generator=draw) * 0.3
    x[torch.arange(300), y] += 2
    seen = Frozen({"embedding": x[:count], "label": y[:count]}, {"embedding": x, "label": y}, {"label": 3})
    assert Linear("auto")(seen)["linear_label"] > Linear(1e-4)(seen)["linear_label"] - 0.02
