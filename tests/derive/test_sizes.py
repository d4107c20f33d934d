"""What every size keeps, and which is the smallest that keeps enough."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from derive.test_compress import run, vectors, words
from embloom.derive.quantizers import neighbors_kept
from embloom.derive.sizes import Measured, Size, halved
from embloom.probes.knn import KNN
from trained import SMALL_DIGITS, trained


def test_the_smallest_that_keeps_a_share_above_chance() -> None:
    sizes = [Size(8, "full", "float32", 32, {"knn_x": 0.9}), Size(8, "full", "int8", 8, {"knn_x": 0.895}),
             Size(4, "pca", "int8", 4, {"knn_x": 0.85}), Size(2, "pca", "int8", 2, {"knn_x": 0.5})]  # fmt: skip
    found = Measured(sizes, chance={"knn_x": 0.5})
    assert [round(found.kept(size, "knn_x"), 4) for size in sizes] == [1, 0.9875, 0.875, 0]
    assert found.smallest("knn_x", 0.98) is sizes[1]
    assert found.smallest("knn_x", 0.99) is sizes[0]
    assert found.smallest("knn_x", 0.5) is sizes[2]
    assert halved(100) == [100, 64, 32, 16, 8]
    assert halved(4) == [4, 2]


def test_samples_are_measured_at_every_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path / "run", *SMALL_DIGITS, "encoder.layers=1024-16-10")
    run("sizes", str(tmp_path / "run"), "--layer", "hidden_0", "--dims", "16,4", "--keep", "0.9", "--points", "300",
        "--out", str(tmp_path / "x"))  # fmt: skip
    said = capsys.readouterr().out
    assert "the smallest that keeps 90% of knn_label above chance" in said
    assert all(f" {metric}" in said for metric in ("euclidean", "cosine", "dot"))
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"
    page = (tmp_path / "x.html").read_text()
    assert "class=chosen" in page
    assert "http" not in page


def test_words_are_measured_by_neighbors_where_nothing_else_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words(tmp_path / "run", vectors())
    run("sizes", str(tmp_path / "run"), "--keep", "0.5")
    said = capsys.readouterr().out
    assert "50% of neighbors_kept" in said
    assert " nested " in said  # the card says that 8 and 16 were trained
    (tmp_path / "pairs.txt").write_text("word1 word2 4\nword4 word5 1\nword7 word9 6\n")
    probe = ("probe=[word_similarity]", f"probe.word_similarity.path={tmp_path / 'pairs.txt'}")
    run("sizes", str(tmp_path / "run"), *probe, "--by", "word_similarity", "--dims", "8", "--keep", "0.98")
    assert "98% of word_similarity:" in capsys.readouterr().out
    for arguments, says in (
        (("--by", "x"), "no such figure"),
        (("--keep", "2"), "must be a share"),
        (("--dims", "0"), "--dims 0"),
        (("--points", "0"), "--points=0"),
        (("probe=[nonsense]",), "nonsense"),
    ):
        with pytest.raises(Exception, match=says):
            run("sizes", str(tmp_path / "run"), *arguments)


def test_neighbors_kept_is_a_plain_count() -> None:
    rows = vectors(60)
    other = rows + 0.3 * torch.randn(60, rows.shape[1], generator=torch.Generator().manual_seed(1))
    by_hand = 0.0
    for row in range(60):
        near = [
            {int(i) for i in torch.cosine_similarity(v[row : row + 1], v).argsort(descending=True) if int(i) != row}
            and [int(i) for i in torch.cosine_similarity(v[row : row + 1], v).argsort(descending=True) if i != row][:10]
            for v in (rows, other)
        ]
        by_hand += len(set(near[0]) & set(near[1])) / 10
    assert neighbors_kept(rows, other) == pytest.approx(by_hand / 60)
    assert by_hand / 60 < 1


def test_the_dot_product_prefers_long_vectors() -> None:
    fit = torch.tensor([[1.0, 0.0], [5.0, 4.0], [0.0, 1.0]])
    label, asked = torch.tensor([0, 1, 0]), torch.tensor([[1.0, 0.0]])
    found = {metric: KNN(1, metric).vote(fit, label, asked, 2).item() for metric in ("euclidean", "dot")}
    assert found == {"euclidean": 0, "dot": 1}
