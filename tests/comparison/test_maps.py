"""Maps and the points on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from comparison.made import cloud, keep, made, names
from embloom.artifact.readers.text import TextReader
from embloom.comparison.collect import read
from embloom.comparison.curves import thinned
from embloom.comparison.maps import project, turned
from embloom.comparison.points import Gatherer, Rows, common_words
from embloom.data.sprites import grid
from embloom.encoders.skipgram import SkipGram


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_maps_are_reproducible_and_keep_groups_together(method: str) -> None:
    points = cloud(150, 10, seed=0, groups=3) + 50
    one = project(points, method, cosine=False)
    assert one.shape == (150, 2)
    assert np.array_equal(one, project(points, method, cosine=False))
    assert np.abs(one.mean(0)).max() < 1e-9
    middles = np.stack([one[i::3].mean(0) for i in range(3)])
    nearest = np.linalg.norm(one[:, None] - middles, axis=2).argmin(1)
    assert (nearest == np.arange(150) % 3).mean() > 0.9


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize(
    "points",
    [torch.ones(20, 4), cloud(20, 1, seed=0), cloud(3, 4, seed=0), 1e-20 * cloud(20, 4, seed=0), torch.zeros(2, 3)],
    ids=["one place", "one dimension", "three points", "tiny", "two points"],
)
def test_degenerate_points_have_a_map(method: str, points: torch.Tensor) -> None:
    found = project(points, method, cosine=False)
    assert found.shape == (len(points), 2)
    assert np.isfinite(found).all()


def test_a_turned_and_mirrored_map_is_turned_back() -> None:
    flat = project(cloud(50, 3, seed=0), "pca", cosine=False)
    angle = 1.0
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert np.allclose(turned(flat @ rotation * [-1, 1], flat), flat)


def test_umap_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embloom.comparison.methods.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'embloom\[umap\]'"):
        project(cloud(20, 3, seed=0), "umap", cosine=False)


def test_runs_place_the_same_test_samples(tmp_path: Path) -> None:
    settings = [
        ["seed=1"],
        ["seed=2", "dataset.noise=0.5", "dataset.batch_size=7"],
        ["dataset.side=16", "encoder.layers=256-10"],
        ["dataset.split_seed=1"],
    ]
    runs = [read(made(tmp_path / str(i), *overrides)) for i, overrides in enumerate(settings)]
    gatherer = Gatherer(100, "embedding", {})
    groups = gatherer.gather(runs)
    assert gatherer.problems == []
    # Another split holds other samples; another size of the images does not.
    assert [len(points.runs) for points in groups] == [3, 1]
    first = groups[0]
    assert first.kind == "images"
    assert (first.count, first.total) == (100, 360)
    assert [len(vectors) for vectors in first.vectors] == [100] * 3
    assert first.labels[0].classes == [str(digit) for digit in range(10)]
    assert not torch.equal(first.vectors[0], first.vectors[1])
    other = Gatherer(100, "hidden_0", {}).gather(runs[:2])
    assert [vectors.shape[1] for vectors in other[0].vectors] == [512, 512]


def test_absent_data_leaves_the_rest_and_says_what_to_type(tmp_path: Path) -> None:
    mnist = read(made(tmp_path / "mnist", "dataset=mnist", f"dataset.root={tmp_path / 'nowhere'}"))
    digits = read(made(tmp_path / "digits"))
    unfinished = read(made(tmp_path / "unfinished", state="failed"))
    gatherer = Gatherer(100, "embedding", {})
    (points,) = gatherer.gather([mnist, digits, unfinished])
    assert points.runs == [digits]
    absent, nothing = gatherer.problems
    assert "add dataset.root=..." in absent
    assert "holds no embedding" in nothing
    assert not (tmp_path / "nowhere").exists()


def test_words_that_all_runs_know_are_shown(tmp_path: Path) -> None:
    run = read(made(tmp_path / "run", state="stopped"))
    words = names(100)
    tables = [Rows(run, words, cloud(100, 5, seed=0)), Rows(run, words[50:][::-1], cloud(50, 7, seed=1)),
              Rows(run, ["aa", "bb", "cc", "dd"], cloud(4, 3, seed=2))]  # fmt: skip
    both, alone = common_words(tables, 20)
    assert (both.count, both.total, len(both.runs)) == (20, 50, 2)
    assert both.words == words[50:70]
    assert torch.equal(both.vectors[0], tables[0].table[50:70])
    assert torch.equal(both.vectors[1], tables[1].table[30:].flip(0))
    assert alone.words == ["aa", "bb", "cc", "dd"]
    assert [label.name for label in both.labels][1] == "rank by frequency"


def test_tables_are_read_from_their_artifact(tmp_path: Path) -> None:
    run = read(made(tmp_path / "run", state="stopped"))
    encoder, words = SkipGram({"token": 30}, dim=4), names(30)
    node = {"_target_": "embloom.encoders.skipgram.SkipGram", "dim": 4}
    keep(run.folder, encoder, node, {"sizes": {"token": 30}}, TextReader(), keys={"embedding": words})
    (points,) = Gatherer(10, "embedding", {}).gather([run])
    assert points.words == words[:10]
    assert torch.equal(points.vectors[0], encoder.embedding.detach()[:10])


def test_sprite_holds_every_image() -> None:
    images = torch.rand(7, 3, 5, 4)
    content, columns, (height, width) = grid(images, 48)
    assert (columns, height, width) == (3, 5, 4)
    assert content.shape == (15, 12, 3)
    fifth = torch.from_numpy(content[5:10, 4:8]).permute(2, 0, 1)
    assert torch.equal(fifth, (images[4] * 255).round().byte())
    assert grid(torch.rand(2, 1, 96, 64), 48)[2] == (48, 32)


def test_long_curves_are_thinned_to_means() -> None:
    steps, values = list(range(10_001)), [float(i) for i in range(10_001)]
    x, y = thinned(steps, values, 101)
    assert len(x) <= 102
    assert (x[-1], y[-1]) == (10_000, 10_000.0)
    assert y[0] == pytest.approx(50, abs=1)
    assert thinned([1, 2], [3.0, 4.0]) == ([1, 2], [3.0, 4.0])


def test_rows_are_colored_by_what_is_known_of_them(tmp_path: Path) -> None:
    """Also where a name stands elsewhere in the table, and where nothing is known."""
    run = read(made(tmp_path / "run", state="stopped"))
    words = names(40)
    known = {"genre": (["drama", "comedy"], [row % 2 if row else -1 for row in range(40)])}
    (points,) = common_words([Rows(run, words, cloud(40, 5, seed=0), known)], 40)
    label = points.labels[0]
    assert label.name == "genre"
    assert [label.classes[value] for value in label.values[:3].tolist()] == ["unknown", "comedy", "drama"]
