"""Axes by formula."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from comparison.made import made
from embloom.comparison.axes import along, class_means, formula
from embloom.comparison.collect import read
from embloom.comparison.points import Gatherer
from embloom.comparison.similarity import kappa

NAMES = {"king": 0, "man": 1, "new york": 2}
TABLE = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])


def test_a_formula_is_a_direction() -> None:
    asked = formula("king - man")
    assert (asked.plus, asked.minus) == (("king",), ("man",))
    half = 0.5**0.5
    assert along(TABLE, asked, NAMES, TABLE, cosine=True).tolist() == pytest.approx([half, -half, 0], abs=1e-6)
    mean = TABLE.mean(0)
    direction = torch.tensor([3.0, -2.0]) / 13**0.5
    assert torch.allclose(along(TABLE, asked, NAMES, TABLE, cosine=False), (TABLE - mean) @ direction)
    assert formula("new york + king - man").plus == ("new york", "king")


@pytest.mark.parametrize("text", ["", "- king", "king -", "king - - man", "+ king"])
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="spaces around"):
        formula(text)


def test_unknown_and_empty_directions_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no 'kong'; did you mean king"):
        along(TABLE, formula("kong - man"), NAMES, TABLE, True)
    with pytest.raises(ValueError, match="is the same"):
        along(TABLE, formula("king - king"), NAMES, TABLE, True)


def test_samples_lie_between_their_classes(tmp_path: Path) -> None:
    run = read(made(tmp_path / "run"))
    gatherer = Gatherer(60, "embedding", {}, axes=[formula("7 - 1"), formula("3 - 8")], depth=True)
    (points,) = gatherer.gather([run])
    assert points.axes[0] == ["7 - 1", "3 - 8"]
    assert points.axes[1][0].shape == (60, 2)
    means, table = class_means(points.vectors[0], [(x.classes, x.values) for x in points.labels])
    direction = table[means["7"]] - table[means["1"]]
    expected = (points.vectors[0] - points.vectors[0].mean(0)) @ (direction / direction.norm())
    assert torch.allclose(points.axes[1][0][:, 0], expected, atol=1e-4)
    assert list(points.depth) == ["features (input)", "hidden_0", "embedding"]
    assert torch.equal(points.depth["embedding"], points.vectors[0])


def test_labels_that_differ_little_are_of_the_same_samples() -> None:
    labels = torch.arange(100) % 10
    other = labels.clone()
    other[:20] = 0
    assert kappa(labels, labels) == 1
    assert kappa(labels, other) > 0.5
    assert kappa(labels, labels.roll(3)) < 0.1
