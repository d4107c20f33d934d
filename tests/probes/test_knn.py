"""The nearest-neighbor probe against scikit-learn's, on real digits."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from embloom.probes.base import Frozen
from embloom.probes.knn import KNN


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows and labels to fit to, rows and labels to score; noise makes distances differ and the task less easy."""
    bundle = load_digits()
    rows = torch.from_numpy(bundle.data).float()
    rows = rows + 6 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    labels = torch.from_numpy(bundle.target).long()
    return rows[:500], labels[:500], rows[500:], labels[500:]


def frozen() -> Frozen:
    x, y, score_x, score_y = digits()
    return Frozen({"embedding": x, "digit": y}, {"embedding": score_x, "digit": score_y}, {"digit": 10})


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 2, 5, 40])
def test_votes_like_scikit_learn(k: int, metric: str) -> None:
    x, y, score_x, score_y = digits()
    theirs = KNeighborsClassifier(k, metric=metric, algorithm="brute").fit(x.double().numpy(), y.numpy())
    accuracy = KNN(k, metric)(frozen())["knn_digit"]
    # Ties differ: scikit-learn gives them to the smaller class number.
    votes = theirs.predict_proba(score_x.double().numpy())
    tied = (votes == votes.max(1, keepdims=True)).sum(1) > 1
    right = theirs.predict(score_x.double().numpy()) == score_y.numpy()
    assert right[~tied].sum() - 1 <= accuracy * len(right) <= right[~tied].sum() + tied.sum() + 1
    assert 0.3 < accuracy < 0.99


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_every_single_vote_without_ties_is_scikit_learns(metric: str) -> None:
    x, y, score_x, _ = digits()
    theirs = KNeighborsClassifier(5, metric=metric, algorithm="brute").fit(x.double().numpy(), y.numpy())
    votes = torch.from_numpy(theirs.predict_proba(score_x.double().numpy()))
    clear = (votes == votes.amax(1, keepdim=True)).sum(1) == 1
    if metric == "cosine":
        x, score_x = torch.nn.functional.normalize(x), torch.nn.functional.normalize(score_x)
    found = KNN(5, metric).vote(x, y, score_x, 10)
    assert clear.sum() > 900
    assert torch.equal(found[clear], votes.argmax(1)[clear])


def test_a_tie_goes_to_the_class_of_the_nearest() -> None:
    fit, labels = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([2, 0, 0, 2])
    assert KNN(4).vote(fit, labels, torch.tensor([[0.0], [5.1]]), 3).tolist() == [2, 2]
    assert KNN(2).vote(fit, labels, torch.tensor([[0.0], [2.6], [5.1]]), 3).tolist() == [2, 0, 2]
    assert KNN(3).vote(fit, labels, torch.tensor([[0.0]]), 3).tolist() == [0]  # a majority beats the nearest


def test_more_neighbors_than_samples_are_refused() -> None:
    columns = {"embedding": torch.tensor([[0.0], [1.0], [9.0]]), "digit": torch.tensor([1, 1, 0])}
    assert KNN(3)(Frozen(columns, columns, {"digit": 2})) == {"knn_digit": pytest.approx(2 / 3)}
    with pytest.raises(ValueError, match=r"^k=50: there are only 3 training samples"):
        KNN(50)(Frozen(columns, columns, {"digit": 2}))


def test_every_layer_and_label_has_its_tag() -> None:
    columns = {"embedding": torch.randn(20, 2), "hidden_0": torch.randn(20, 3), "color": torch.arange(20) % 2}
    columns["shape"] = torch.arange(20) % 3
    seen = Frozen(columns, columns, {"color": 2, "shape": 3}, activations=["embedding", "hidden_0"])
    found = KNN(1, layers="all")(seen)
    assert found == dict.fromkeys(["knn_color", "knn_shape", "knn_color_hidden_0", "knn_shape_hidden_0"], 1.0)
    with pytest.raises(ValueError, match=r"no layer 'hidden_7'.*embedding, hidden_0"):
        KNN(1, layers=["hidden_7"])(seen)


def test_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"^k=0"):
        KNN(0)
    with pytest.raises(ValueError, match=r"^metric=l7"):
        KNN(metric="l7")
