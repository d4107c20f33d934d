"""The map that is there is found, and what it makes is accepted as vectors of the other space."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import embloom
from derive.test_compress import run, vectors, words
from embloom.artifact.lineage import parents_of
from embloom.artifact.vector_files import read_vector_file
from embloom.derive.align import read_pairs, recalls
from embloom.derive.fitting import KINDS, fitted
from trained import SMALL_DIGITS, trained

NAMES = [f"word{i}" for i in range(600)]


def turned(rows: torch.Tensor) -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(rows.shape[1], rows.shape[1], generator=draw, dtype=torch.float64))[0]
    return ((rows.double() - 0.5) @ rotation * 2).float()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rotated_copy_is_found(kind: str, tmp_path: Path) -> None:
    rows = vectors()
    words(tmp_path / "old", rows)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(1))
    words(tmp_path / "new", turned(rows)[order], [NAMES[i] for i in order])
    run("align", str(tmp_path / "new"), str(tmp_path / "old"), "--kind", kind, "-o", str(tmp_path / "out"))
    old, found = embloom.load(tmp_path / "old"), embloom.load(tmp_path / "out")
    error = float((found.table("embedding") - rows[order]).norm() / rows.norm())
    assert error < (1e-5 if kind == "orthogonal" else 1e-3)
    assert found.card["lineage"]["promise"]["recall_at_1"] == 1
    with pytest.raises(ValueError, match="embloom align"):
        old.vectors().nearest(embloom.load(tmp_path / "new").vectors())
    assert torch.equal(old.vectors().nearest(found.vectors(), 1)[1][:, 0], order)
    assert torch.equal(found.vectors().nearest(old.vectors(), 1)[1][order, 0], torch.arange(600))
    parent = parents_of(found.card)[0]
    assert (parent.how, parent.content_hash) == ("aligned to", old.content_hash)
    run("export", str(tmp_path / "out"), "--to", "safetensors", "-o", str(tmp_path / "v.safetensors"))
    stored = read_vector_file(tmp_path / "v.safetensors")
    assert torch.equal(old.vectors().nearest(stored, 1)[1][:, 0], order)
    # Compressed, they are still vectors of that space.
    run("compress", str(tmp_path / "out"), "--to", "int8", "-o", str(tmp_path / "small"))
    assert torch.equal(old.vectors().nearest(embloom.load(tmp_path / "small").vectors(), 1)[1][:, 0], order)


@pytest.mark.parametrize("widths", [(24, 12), (12, 24)])
def test_other_widths_by_orthonormal_rows_or_columns(widths: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    base = torch.randn(400, min(widths), generator=draw)
    maps = [torch.linalg.qr(torch.randn(width, min(widths), generator=draw))[0].T for width in widths]
    one, other = (base @ m for m in maps)
    stage = fitted("orthogonal", one, other)
    weight = stage.get_buffer("weight")
    narrow = weight.T @ weight if widths[0] > widths[1] else weight @ weight.T
    torch.testing.assert_close(narrow / narrow[0, 0], torch.eye(min(widths)), atol=1e-4, rtol=0)
    torch.testing.assert_close(stage(one), other, atol=1e-4, rtol=1e-4)


def test_a_network_beats_a_linear_map_where_the_relation_is_no_plane() -> None:
    draw = torch.Generator().manual_seed(0)
    one = torch.randn(1500, 6, generator=draw)
    other = torch.cat([one[:, :3].square(), (one[:, 3:] * one[:, :3]).tanh(), one], 1)
    error = {}
    for kind in KINDS:
        stage = fitted(kind, one[:1200], other[:1200])
        error[kind] = float((stage(one[1200:]) - other[1200:]).square().mean())
    assert error["mlp"] < 0.25 * error["linear"]
    assert error["linear"] <= 1.01 * error["orthogonal"]
    one, other = one[:60], other[:60]
    assert torch.equal(fitted("mlp", one, other)(one), fitted("mlp", one, other)(one))


def test_pairs_of_two_vocabularies(tmp_path: Path) -> None:
    """Half of the rows have other names; the pairs of some of them find the rest."""
    rows = vectors()
    words(tmp_path / "old", rows, [f"gato{i}" for i in range(600)])
    words(tmp_path / "new", turned(rows)[:300], [f"cat{i}" for i in range(300)])
    lines = ["# cats", *(f"cat{i},gato{i}" for i in range(150)), "dog,perro"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    place, out = (str(tmp_path / "new"), str(tmp_path / "old")), str(tmp_path / "out")
    with pytest.raises(ValueError, match="--pairs FILE"):
        run("align", *place, "-o", out)
    run("align", *place, "--pairs", str(tmp_path / "pairs.csv"), "-o", out)
    found = embloom.load(out)
    assert found.card["lineage"]["settings"]["pairs"] == 135
    near = embloom.load(tmp_path / "old").vectors().neighbors(found.vectors(), 1)
    assert [answer[0][0] for answer in near[150:]] == [f"gato{i}" for i in range(150, 300)]


def test_samples_of_the_dataset_or_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        trained(tmp_path / f"v{seed}", *SMALL_DIGITS, "encoder.layers=1024-32-10", f"seed={seed}")
    both = (str(tmp_path / "v1"), str(tmp_path / "v0"))
    run("align", *both, "--layer", "hidden_0", "--kind", "linear", "-o", str(tmp_path / "out"))
    said = capsys.readouterr().out
    promise = embloom.load(tmp_path / "out").card["lineage"]["promise"]
    assert promise["new_on_old_label"] > promise["new_on_old_label_before"] + 0.2
    assert promise["new_on_old_label"] > promise["old_on_old_label"] - 0.1
    assert "new on old label" in said
    x = torch.rand(64, 1024)
    old = embloom.load(tmp_path / "v0").vectors(x, "hidden_0")
    old.nearest(embloom.load(tmp_path / "out").vectors(x, "hidden_0"))
    (tmp_path / "x.csv").write_text("\n".join(",".join(f"{v:.4f}" for v in row) for row in x.tolist()))
    run("align", *both, str(tmp_path / "x.csv"), "--layer", "hidden_0", "-o", str(tmp_path / "other"))
    assert "64 inputs" in capsys.readouterr().out


def test_recall_is_a_plain_count() -> None:
    stock = torch.eye(6) + 0.01
    queries = stock[[2, 4]] + torch.tensor([[0.0] * 6, [0, 5.0, 0, 0, 0, 0]])
    assert recalls(queries, stock, torch.tensor([2, 4])) == {"recall_at_1": 0.5, "recall_at_5": 1.0}


def test_a_file_of_something_else(tmp_path: Path) -> None:
    for text, says in (("a,b,c", "line 1: it is not two names"), ("", "holds no pairs"), ("a,", "line 1")):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(ValueError, match=says):
            read_pairs(tmp_path / "p.csv")
    (tmp_path / "p.csv").write_text('"a, b",c\nd\te\nf g\n')
    assert read_pairs(tmp_path / "p.csv") == [("a, b", "c"), ("d", "e"), ("f", "g")]


def test_pairs_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--pairs .*nope.csv: it cannot be read: No such file"):
        read_pairs(tmp_path / "nope.csv")
    (tmp_path / "latin.csv").write_bytes("caf\u00e9,cafe\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin.csv: it is no text in UTF-8"):
        read_pairs(tmp_path / "latin.csv")
