"""What a table says of its rows, and how far ratings are missed."""

from __future__ import annotations

import pytest
import torch

from embloom.data.base import RowClasses
from embloom.probes.base import Frozen
from embloom.probes.rating_error import RatingError
from embloom.probes.row_labels import RowLabels


def test_a_label_that_is_in_the_rows_is_found() -> None:
    """And one that is not stays at chance; rows without a label do not count."""
    draw = torch.Generator().manual_seed(0)
    codes = torch.randint(3, (300,), generator=draw)
    rows = torch.randn(300, 8, generator=draw)
    rows[:, :3] += 6 * torch.nn.functional.one_hot(codes, 3)
    other = torch.randint(3, (300,), generator=draw)
    codes[:50], rows[:50] = -1, 0
    names = ["a", "b", "c"]
    known = {"items": {"genre": RowClasses(codes, names), "coin": RowClasses(other, names)}}
    found = RowLabels()(Frozen({}, {}, {}, tables={"items": rows}, row_classes=known))
    assert found["linear_genre"] > 0.97
    assert found["knn_genre"] > 0.95
    assert found["chance_genre"] < 0.5
    assert found["linear_coin"] < 0.5


def test_too_few_labels_say_nothing() -> None:
    known = {"items": {"genre": RowClasses(torch.zeros(5, dtype=torch.int64), ["a", "b"])}}
    assert RowLabels()(Frozen({}, {}, {}, tables={"items": torch.randn(5, 2)}, row_classes=known)) == {}


def test_errors_of_ratings() -> None:
    """Against the definitions; the mean rating is that of the training."""
    fit = {"rating": torch.tensor([1.0, 3.0, 5.0])}
    score = {"rating": torch.tensor([2.0, 4.0]), "score": torch.tensor([2.5, 3.0])}
    found = RatingError()(Frozen(fit, score, {}))
    assert found == pytest.approx({"rmse": 0.625**0.5, "mae": 0.75, "rmse_mean": 1.0, "mae_mean": 1.0})
    with pytest.raises(ValueError, match=r"dataset\.rating="):
        RatingError()(Frozen({}, {"score": torch.zeros(1)}, {}))
