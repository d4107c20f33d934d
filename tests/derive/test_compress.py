"""A compressed artifact is smaller, says so, and is asked as the one that it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

import embloom
from embloom import cli
from embloom.artifact.lineage import parents_of
from embloom.artifact.readers.columns import ColumnsReader
from embloom.artifact.saving import save
from embloom.artifact.weights import read_source
from embloom.derive.quantizers import best_int8, default_parts, neighbors_kept, principal
from embloom.encoders.skipgram import SkipGram
from trained import SMALL_DIGITS, trained

COUNT, WIDTH = 600, 24
NODE = {"_target_": "embloom.encoders.skipgram.SkipGram", "dim": WIDTH}


def words(folder: Path, rows: torch.Tensor, names: list[str] | None = None) -> Path:
    """An artifact of a table of words."""
    encoder = SkipGram({"token": len(rows)}, rows.shape[1])
    with torch.no_grad():
        encoder.embedding.copy_(rows)
    keys = names or [f"word{i}" for i in range(len(rows))]
    save(
        folder / "embeddings", encoder=encoder, node={**NODE, "dim": rows.shape[1]},
        supplied={"sizes": {"token": len(rows)}}, reader=ColumnsReader({"token": {"width": None, "dtype": "int64"}}),
        about={"nested": [8, 16]}, keys={"embedding": keys}, columns={"embedding": "token", "output": "token"},
    )  # fmt: skip
    return folder


def vectors(count: int = COUNT, width: int = WIDTH) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(count, width, generator=draw) @ torch.diag(torch.linspace(2, 0.2, width))


def run(*arguments: str) -> None:
    cli.COMMANDS[arguments[0]](list(arguments[1:]))


CODES = {"float16": 2 * WIDTH, "int8": WIDTH + 2, "binary": 128 // 8 + WIDTH + 2, "pq": 6}


@pytest.mark.parametrize("kind", CODES)
def test_a_table_is_stored_in_codes(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == "pq":
        pytest.importorskip("faiss")
    words(tmp_path / "run", vectors())
    run("compress", str(tmp_path / "run"), "--to", kind, "--output", str(tmp_path / "small"))
    said = capsys.readouterr().out
    whole, small = embloom.load(tmp_path / "run"), embloom.load(tmp_path / "small")
    stored = safetensors.torch.load_file(tmp_path / "small" / "layers.safetensors")
    assert stored["codes_0"].nbytes in (COUNT * CODES[kind], COUNT * WIDTH if kind == "int8" else -1)
    size = sum(path.stat().st_size for path in (tmp_path / "small").iterdir())
    assert f"-> {size:,}" in said
    assert set(stored) == {"codes_0", *(name for name in stored if name.startswith("after/0/"))}
    table = small.table("embedding")
    error = float((table - whole.table("embedding")).norm() / whole.table("embedding").norm())
    assert error < {"float16": 1e-3, "int8": 0.01, "binary": 0.01, "pq": 0.6}[kind]
    assert torch.equal(small.encode({"token": torch.tensor([3, 5])}), table[[3, 5]])
    assert torch.equal(small.encode(["word9"]), table[[9]])
    assert small.keys == whole.keys
    assert small.words.neighbors("word1", 3)[0][0] == whole.words.neighbors("word1", 3)[0][0] or kind == "pq"
    promise = small.card["lineage"]["promise"]["neighbors_kept"]
    assert promise > {"pq": 0.2}.get(kind, 0.95)
    (parent,) = parents_of(small.card)
    assert (parent.how, parent.content_hash) == ("compressed from", whole.content_hash)
    # Stored and fresh vectors may be compared.
    assert whole.vectors().nearest(small.vectors(), 1)[1].shape == (COUNT, 1)
    assert torch.equal(read_source(tmp_path / "small").weights["embedding"], table)


def test_the_first_numbers_where_they_were_trained_for_it_else_principal_components(tmp_path: Path) -> None:
    words(tmp_path / "run", vectors())
    for dims, name in ((8, "first"), (12, "pca")):
        run("compress", str(tmp_path / "run"), "--dims", str(dims), "-o", str(tmp_path / name))
    first, pca = (embloom.load(tmp_path / name) for name in ("first", "pca"))
    rows = vectors()
    assert torch.equal(first.table("embedding"), rows[:, :8])
    _, _, right = torch.linalg.svd(rows, full_matrices=False)
    torch.testing.assert_close(pca.table("embedding").abs(), (rows @ right[:12].T).abs(), atol=1e-3, rtol=1e-3)
    assert first.card["layers"] == {"embedding": 8}
    with pytest.raises(ValueError, match="come from the artifact"):
        embloom.load(tmp_path / "run").vectors().nearest(first.vectors())


def test_compressing_again_starts_from_the_vectors_there_are(tmp_path: Path) -> None:
    words(tmp_path / "run", vectors())
    run("compress", str(tmp_path / "run"), "--to", "int8", "--dims", "12", "-o", str(tmp_path / "a"))
    run("compress", str(tmp_path / "a"), "--to", "float16", "-o", str(tmp_path / "b"))
    a, b = (embloom.load(tmp_path / name) for name in "ab")
    torch.testing.assert_close(a.table("embedding"), b.table("embedding"), atol=2e-3, rtol=2e-3)
    run("publish", str(tmp_path / "a"), str(tmp_path / "given"))
    given = embloom.load(tmp_path / "given")
    assert given.content_hash == a.content_hash
    assert torch.equal(given.table("embedding"), a.table("embedding"))


def test_activations_are_rounded_and_their_index_is_searched(tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL_DIGITS, "encoder.layers=1024-16-10")
    run("compress", str(tmp_path / "run"), "--to", "int8", "--layer", "hidden_0", "-o", str(tmp_path / "small"))
    whole, small = embloom.load(tmp_path / "run"), embloom.load(tmp_path / "small")
    x = torch.rand(50, 1024)
    before, after = whole.encode(x, "hidden_0"), small.encode(x, "hidden_0")
    assert 0 < float((before - after).norm() / before.norm()) < 0.01
    assert torch.equal(small.encode(x), whole.encode(x))
    assert small.predict(x) == whole.predict(x)
    run("card", str(tmp_path / "small"))


def test_int8_takes_what_keeps_more() -> None:
    rows = vectors()
    kept = {stage: neighbors_kept(rows, stage(rows)) for stage in [best_int8(rows)]}
    assert min(kept.values()) > 0.98
    wild = rows * torch.logspace(-3, 3, WIDTH)  # one dimension is all there is: each needs steps of its own
    assert vars(best_int8(wild[:, torch.randperm(WIDTH)]))["per"] in ("row", "dimension")
    assert default_parts(100) == 25
    assert default_parts(24) == 6
    assert default_parts(7) == 1
    assert F.mse_loss(principal(rows, WIDTH)(rows).square().sum(1), rows.square().sum(1)) < 1e-4


def test_what_cannot_be_is_said_before_anything_is_written(tmp_path: Path) -> None:
    words(tmp_path / "run", vectors())
    place, out = str(tmp_path / "run"), str(tmp_path / "out")
    for arguments, says in (
        ((), "--to float16"),
        (("--to", "int8", "--dims", "99"), "--dims 99: its vectors have 24"),
        (("--to", "int8", "--bits", "8"), "go with --to binary"),
        (("--to", "binary", "--bits", "9"), "multiple of 8"),
        (("--to", "int8", "--parts", "2"), "goes with --to pq"),
        (("--to", "int8", "--layer", "absent"), "no layer 'absent'"),
        (("--to", "int8", "dataset=x"), "neither an option"),
    ):
        with pytest.raises(ValueError, match=says):
            run("compress", place, *arguments, "--output", out)
    with pytest.raises(ValueError, match="nothing is overwritten"):
        run("compress", place, "--to", "int8", "--output", place)
    assert not (tmp_path / "out").exists()


def test_a_recommender_is_not_stored_in_another_way_but_measured(tmp_path: Path) -> None:
    trained(tmp_path / "run", "experiment=recommender", "trainer=cpu", "trainer.max_epochs=1", "encoder.dim=8")
    with pytest.raises(ValueError, match=r"scores are computed.*embloom sizes"):
        run("compress", str(tmp_path / "run"), "--to", "int8", "-o", str(tmp_path / "out"))
    run("sizes", str(tmp_path / "run"), "--dims", "8,4", "--keep", "0.9")
    assert (tmp_path / "run" / "sizes.png").is_file()
