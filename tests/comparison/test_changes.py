"""What changed most: against plain loops, and planted changes that have to be found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from comparison.made import cloud, made
from embloom.comparison.changed import change_lists
from embloom.comparison.changes import changes, records
from embloom.comparison.collect import read
from embloom.comparison.points import Gatherer, same_samples
from embloom.comparison.table import Comparison
from embloom.data.samples import Label, Samples


def rotation(width: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(seed)))[0]


@pytest.mark.parametrize("cosine", [True, False])
def test_a_rotation_and_a_scale_change_nothing(cosine: bool) -> None:
    one = cloud(200, 6, seed=0)
    found = changes(one, 7 * one @ rotation(6), 10, cosine)
    assert float(found.moved.abs().max()) < 1e-3
    assert float(found.drift.max()) < 1e-3
    assert torch.equal(found.kept, torch.ones(200))


def test_figures_are_those_of_plain_loops() -> None:
    one, other = cloud(40, 5, seed=0), cloud(40, 3, seed=1)
    found = changes(one, other, 4, cosine=False)
    x = (one - one.mean(0)) / (one - one.mean(0)).square().sum(1).mean().sqrt()
    y = (other - other.mean(0)) / (other - other.mean(0)).square().sum(1).mean().sqrt()
    for row in range(40):
        near = [
            sorted((i for i in range(40) if i != row), key=lambda i: float((v[i] - v[row]).norm()))[:4] for v in (x, y)
        ]
        assert found.before[row].tolist() == near[0]
        assert float(found.kept[row]) == pytest.approx(len({*near[0]} & {*near[1]}) / 4)
        pairs = [(float((x[i] - x[row]).norm()), float((y[i] - y[row]).norm())) for i in near[0] + near[1]]
        parts = [abs(there - here) / (there + here) for there, here in pairs]
        assert float(found.drift[row]) == pytest.approx(sum(parts) / 8, abs=1e-5)
    # No other rotation of the narrower one into the wider brings the whole nearer.
    wide = F.pad(y, (0, 2))
    best = float(found.moved.square().sum())
    for seed in range(20):
        assert best <= float((x @ rotation(5, seed) - wide).square().sum()) + 1e-4


def test_planted_swaps_of_words_are_found() -> None:
    """25 pairs of words change places in an embedding that is turned, and noisy everywhere."""
    draw = torch.Generator().manual_seed(0)
    one = torch.randn(3000, 20, generator=draw)
    swapped = torch.randperm(3000, generator=draw)[:50]
    other = one @ rotation(20) + 0.5 * torch.randn(3000, 20, generator=draw)
    other[swapped] = other[swapped.reshape(25, 2).flip(1).flatten()]
    found = changes(one, other)
    assert len({*found.order[:100].tolist()} & {*swapped.tolist()}) >= 45
    words = [f"word{i}" for i in range(3000)]
    first = records(found, words, 3)[0]
    assert first["name"] == words[first["row"]]
    assert first["before"] == [words[i] for i in found.before[first["row"]].tolist()]


def test_relabelled_images_are_found(tmp_path: Path) -> None:
    """50 of the test images have another label in the data of the second run."""
    runs = [read(made(tmp_path / f"run{i}", f"optimizer.lr={i + 1}")) for i in range(2)]
    (points,) = Gatherer(360, "embedding", {}).gather(runs)
    chosen = torch.randperm(360, generator=torch.Generator().manual_seed(1))[:50]
    label = points.labels[0]
    other = label.values.clone()
    other[chosen] = (other[chosen] + 1 + torch.arange(50) % 9) % 10
    changed = Samples("other", 360, [Label(label.name, label.classes, other)], points.images)
    assert same_samples(points, changed)
    points.seen[1] = changed.labels
    (found,) = change_lists(Comparison(runs), [points], 100)
    assert {*(item["row"] for item in found["items"])} >= {*chosen.tolist()}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="4 and 5 rows"):
        changes(torch.randn(4, 2), torch.randn(5, 2))
    same = changes(torch.ones(5, 3), torch.ones(5, 3))
    assert same.moved.isfinite().all()
