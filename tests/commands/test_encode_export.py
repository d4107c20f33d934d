"""Vectors from any layer into every format, and the encoder into those of other programs; each read by its own tool."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

import embloom
from data.test_labelled_text import reviews, write_csv
from embloom import cli
from embloom.artifact.saving import CARD, LAYERS, content_hash
from embloom.artifact.vector_files import read_vector_file
from embloom.artifact.vectors import Vectors
from embloom.startup import Door
from trained import SMALL_DIGITS, trained

TEXT = (
    "experiment=bag_of_embeddings", "dataset.min_count=1", "encoder.layers=8-4-2", "trainer.accelerator=cpu",
    "trainer.max_epochs=1", "probe=[chance]",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on images, one on texts, and inputs for both."""
    folder = tmp_path_factory.mktemp("runs")
    trained(folder / "digits", *SMALL_DIGITS, "encoder.layers=1024-32-32-10")
    path = write_csv(folder / "reviews.csv", reviews())
    trained(folder / "texts", *TEXT, f"dataset.path={path}")
    (folder / "images" / "sub").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for i in range(7):
        pixels = draw.integers(0, 255, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / ("sub" if i % 2 else ".") / f"{i}.png")
    return folder


def run(*arguments: str) -> None:
    """The command, in this process."""
    Door.shell = True  # messages name options, as in a shell
    try:
        cli.COMMANDS[arguments[0]](list(arguments[1:]))
    finally:
        Door.shell = False


def encoded(runs: Path, *arguments: str, suffix: str = ".safetensors") -> Vectors:
    run("encode", *arguments, "--output", str(runs / f"out{suffix}"), "--batch-size", "3")
    return read_vector_file(runs / f"out{suffix}")


@pytest.mark.parametrize("suffix", [".safetensors", ".npy", ".csv", ".parquet"])
def test_images_into_every_format(suffix: str, runs: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    paths = sorted((runs / "images").rglob("*.png"))
    expected = embloom.load(runs / "digits").encode(paths, layer="hidden_0")
    found = encoded(runs, str(runs / "digits"), str(runs / "images"), "--layer", "hidden_0", suffix=suffix)
    torch.testing.assert_close(found.rows, expected, atol=1e-6, rtol=1e-6)
    if suffix != ".npy":
        assert found.names == [str(p) for p in paths]
    out = runs / f"out{suffix}"
    own: Any = {  # the format's own reader
        ".safetensors": lambda: safetensors.torch.load_file(out)["vectors"].numpy(),
        ".npy": lambda: np.load(out),
        ".csv": lambda: np.loadtxt(out, delimiter=",", skiprows=1, usecols=range(1, 33)),
        ".parquet": lambda: np.stack(__import__("pyarrow.parquet").parquet.read_table(out)["vector"].to_numpy()),
    }[suffix]()
    np.testing.assert_allclose(own, expected.numpy(), atol=1e-6)
    assert not [p for p in runs.iterdir() if p.name.startswith(".out")]


def test_globs_lists_of_paths_and_rows_of_numbers(runs: Path) -> None:
    digits, paths = embloom.load(runs / "digits"), sorted((runs / "images").rglob("*.png"))
    expected = digits.encode(paths)
    with (runs / "list.csv").open("w") as file:
        csv.writer(file).writerows([["image"], *([p.relative_to(runs)] for p in paths)])
    by_list = encoded(runs, str(runs / "digits"), str(runs / "list.csv"), "--column", "image")
    by_glob = encoded(runs, str(runs / "digits"), str(runs / "images" / "**" / "*.png"))
    for found in (by_list, by_glob):
        torch.testing.assert_close(found.rows, expected, atol=1e-6, rtol=1e-6)
    rows = torch.rand(5, 1024)
    np.savetxt(runs / "rows.csv", rows.numpy(), delimiter=",")
    found = encoded(runs, str(runs / "digits"), str(runs / "rows.csv"))
    torch.testing.assert_close(found.rows, digits.encode(rows), atol=1e-5, rtol=1e-5)


def test_texts_from_lines_cells_and_files(runs: Path) -> None:
    texts = [text for _, text in reviews(11)]
    expected = embloom.load(runs / "texts").encode(texts, layer="mean")
    (runs / "lines.txt").write_text("\n".join(texts))
    (runs / "files").mkdir(exist_ok=True)
    for i, text in enumerate(texts):
        (runs / "files" / f"{i:02}.txt").write_text(text)
    path = write_csv(runs / "cells.csv.gz", reviews(11), ("a", "b"))
    for source in ([runs / "lines.txt"], [path, "--column", "b"], [runs / "files"]):
        found = encoded(runs, str(runs / "texts"), *map(str, source), "--layer", "mean")
        torch.testing.assert_close(found.rows, expected)


def test_several_layers_and_inner_ones(runs: Path) -> None:
    digits, rows = embloom.load(runs / "digits"), torch.rand(5, 1024)
    one, two = digits.encode(rows, "hidden_0"), digits.encode(rows, "hidden_1")
    torch.testing.assert_close(digits.encode(rows, ["hidden_0", "hidden_1"]), torch.cat([one, two], 1))
    torch.testing.assert_close(digits.encode(rows, ["hidden_0", "hidden_1"], combine="average"), (one + two) / 2)
    torch.testing.assert_close(digits.encode(rows, "linears.0").relu(), one)
    with pytest.raises(ValueError, match="32 numbers cannot be averaged: concatenate"):
        digits.encode(rows, ["hidden_0", "embedding"], combine="average")
    with pytest.raises(ValueError, match=r"no layer 'hiden_0'.*did you mean hidden_0"):
        digits.encode(rows, "hiden_0")


def test_words_of_a_text_are_averaged_where_the_encoder_has_positions(tmp_path: Path) -> None:
    small = ("dataset.block=16", "dataset.batch_size=256", "trainer.limit_train_batches=2", "trainer.max_epochs=1")
    trained(
        tmp_path / "run",
        "experiment=skipgram",
        *small,
        f"dataset.cache={tmp_path}",
        "trainer.accelerator=cpu",
        "probe=[]",
    )
    loaded = embloom.load(tmp_path / "run")
    words = loaded.keys["embedding"][:3]
    table = loaded.table("embedding")
    vectors = loaded.encode([" ".join(words), words[1], "???"])
    torch.testing.assert_close(vectors[0], table[:3].mean(0))
    torch.testing.assert_close(vectors[1], table[1])
    assert not vectors[2].any()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{r}/digits", "{r}/absent", "-o", "{r}/x.npy"), "there is no image at"),
        (("{r}/digits", "{r}/images", "-o", "{r}/x.pickle"), "must end in one of .safetensors"),
        (("{r}/digits", "{r}/reviews.csv", "-o", "{r}/x.npy"), "line 2: it takes 1024 cells a row.*--column"),
        (("{r}/texts", "{r}/reviews.csv", "--column", "c", "-o", "{r}/x.npy"), "no column 'c' but label, text"),
        (("{r}/texts", "{r}/reviews.csv", "--layer", "x", "-o", "{r}/x.npy"), "no layer 'x'"),
        (("{r}", "{r}/reviews.csv", "-o", "{r}/x.npy"), "holds no embedding"),
    ],
)
def test_mistakes_leave_nothing(arguments: tuple[str, ...], says: str, runs: Path) -> None:
    with pytest.raises(ValueError, match=says):
        run("encode", *(a.format(r=runs) for a in arguments))
    assert not (runs / "x.npy").exists()


def exported(runs: Path, which: str, to: str, name: str, *layers: str) -> Path:
    arguments = [part for layer in layers for part in ("--layer", layer)]
    run("export", str(runs / which), "--to", to, "--output", str(runs / name), *arguments)
    return runs / name


def test_tables_in_every_format_by_its_own_reader(runs: Path) -> None:
    loaded = embloom.load(runs / "texts")
    keys, table = loaded.keys["words"], loaded.table("words").numpy()
    with np.load(exported(runs, "texts", "npz", "t.npz"), allow_pickle=False) as found:
        assert found["keys"].tolist() == keys
        np.testing.assert_array_equal(found["vectors"], table)
    read = read_vector_file(exported(runs, "texts", "safetensors", "t.safetensors"))
    assert (read.names, read.content_hash, read.layer) == (keys, loaded.content_hash, "words")
    np.testing.assert_array_equal(read.rows.numpy(), table)
    folder = exported(runs, "texts", "projector", "projector")
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    np.testing.assert_array_equal(np.loadtxt(folder / config.embeddings[0].tensor_path, dtype=np.float32), table)
    assert (folder / config.embeddings[0].metadata_path).read_text().split("\n")[:-1] == keys
    parquet = pytest.importorskip("pyarrow.parquet").read_table(exported(runs, "texts", "parquet", "t.parquet"))
    assert parquet["name"].to_pylist() == keys
    np.testing.assert_array_equal(np.stack(parquet["vector"].to_numpy()), table)


@pytest.mark.parametrize("name", ["t.txt", "t.bin"])
def test_word2vec_is_read_by_gensim(name: str, runs: Path) -> None:
    models = pytest.importorskip("gensim.models")
    loaded = embloom.load(runs / "texts")
    found = models.KeyedVectors.load_word2vec_format(exported(runs, "texts", "word2vec", name), binary=name == "t.bin")
    assert found.index_to_key == loaded.keys["words"]
    np.testing.assert_allclose(found.vectors, loaded.table("words").numpy(), atol=1e-7)


def inputs_for(which: str, runs: Path) -> tuple[list[torch.Tensor], Any]:
    loaded = embloom.load(runs / which)
    if which == "digits":
        rows = torch.rand(5, 1024)
        return [rows], lambda layer: loaded.encode(rows, layer)
    token, length = torch.arange(9) % len(loaded.keys["words"]), torch.tensor([4, 0, 3, 2])
    return [token, length], lambda layer: loaded.encode({"token": token, "length": length}, layer)


@pytest.mark.parametrize("which", ["digits", "texts"])
def test_onnx_runs_in_onnxruntime(which: str, runs: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    session = runtime.InferenceSession(str(exported(runs, which, "onnx", f"{which}.onnx", "hidden_0", "embedding")))
    inputs, expected = inputs_for(which, runs)
    feed = {node.name: tensor.numpy() for node, tensor in zip(session.get_inputs(), inputs, strict=True)}
    for output, layer in zip(session.run(None, feed), ("hidden_0", "embedding"), strict=True):
        np.testing.assert_allclose(output, expected(layer).numpy(), atol=1e-5)


@pytest.mark.parametrize("which", ["digits", "texts"])
def test_torch_export_runs_without_embloom(which: str, runs: Path) -> None:
    path = exported(runs, which, "torch", f"{which}.pt2")
    inputs, expected = inputs_for(which, runs)
    torch.save(inputs, runs / "inputs.pt")
    code = f"""
import sys, torch
inputs = torch.load({str(runs / "inputs.pt")!r})
torch.save(list(torch.export.load({str(path)!r}).module()(*inputs)), {str(runs / "outputs.pt")!r})
assert not [name for name in sys.modules if name.startswith("embloom")]
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    torch.testing.assert_close(torch.load(runs / "outputs.pt")[0], expected("embedding"), atol=1e-5, rtol=1e-5)


def test_weights_of_an_encoder_without_tables(runs: Path) -> None:
    weights = embloom.load(runs / "digits").encoder.state_dict()
    found = safetensors.torch.load_file(exported(runs, "digits", "safetensors", "w.safetensors"))
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    with pytest.raises(ValueError, match="embloom encode RUN INPUT"):
        exported(runs, "digits", "word2vec", "w.txt")


def test_exported_tables_start_other_models(runs: Path, tmp_path: Path) -> None:
    path = exported(runs, "texts", "safetensors", "start.safetensors")
    from embloom.training.preparing import prepared
    from trained import configuration

    found = prepared(configuration(*TEXT, f"dataset.path={runs / 'reviews.csv'}", f"init_from={path}", "seed=9"))
    assert torch.equal(found.encoder.state_dict()["words.weight"], embloom.load(runs / "texts").table("words"))


def test_card_says_what_it_is_and_the_lines_it_shows_work(runs: Path, capsys: Any) -> None:
    for which in ("digits", "texts"):
        run("card", str(runs / which))
        text = capsys.readouterr().out
        assert text.startswith("# ")
        assert embloom.load(runs / which).content_hash in text
        assert "| chance_label |" in text
        code = text.split("```python\n")[1].split("```")[0]
        code = code.replace("['one.png', 'two.png']", repr([str(p) for p in (runs / "images").rglob("*.png")]))
        exec(code, {})


# -- versions


def test_vectors_of_different_artifacts_are_never_mixed(runs: Path, tmp_path: Path) -> None:
    trained(tmp_path / "other", *SMALL_DIGITS, "encoder.layers=1024-32-32-10", "seed=1")
    mine, other = embloom.load(runs / "digits"), embloom.load(tmp_path / "other")
    rows = torch.rand(6, 1024)
    stock = mine.vectors(rows)
    assert stock.nearest(mine.vectors(rows[2:3]), k=1)[1].item() == 2
    with pytest.raises(ValueError, match="distances between two embeddings mean nothing"):
        stock.nearest(other.vectors(rows))
    with pytest.raises(ValueError, match="layer hidden_0"):
        mine.vectors(rows, "hidden_0").nearest(mine.vectors(rows, "hidden_1"))
    saved = encoded(runs, str(runs / "digits"), str(runs / "images"))
    with pytest.raises(ValueError, match="distances between"):
        saved.nearest(other.vectors(rows))


def test_equal_hashes_are_equal_embeddings(runs: Path, tmp_path: Path) -> None:
    trained(tmp_path / "same", *SMALL_DIGITS, "encoder.layers=1024-32-32-10")
    mine = embloom.load(runs / "digits")
    assert embloom.load(tmp_path / "same").content_hash == mine.content_hash
    content, card = (runs / "digits" / "embeddings" / LAYERS).read_bytes(), dict(mine.card)
    assert content_hash(content, card) == mine.content_hash
    # The same weights under another activation or other words are another embedding.
    for change in ({"encoder": {**card["encoder"], "activation": "tanh"}}, {"keys": {"embedding": ["a"]}}):
        assert content_hash(content, {**card, **change}) != mine.content_hash
    assert content_hash(content, {**card, "metrics": {}}) == mine.content_hash


def test_other_formats_are_refused_and_a_changed_card_is_noticed(runs: Path, tmp_path: Path) -> None:
    source = runs / "digits" / "embeddings"
    content, card = (source / LAYERS).read_bytes(), json.loads((source / CARD).read_text())
    (tmp_path / LAYERS).write_bytes(content)
    old = {**card, "format_version": 2}
    (tmp_path / CARD).write_text(json.dumps({**old, "content_hash": content_hash(content, old)}))
    with pytest.raises(ValueError, match="format 2, from before embloom's first release: train it again"):
        embloom.load(tmp_path)
    (tmp_path / CARD).write_text(json.dumps({**card, "format_version": 99}))
    with pytest.raises(ValueError, match="format 99, newer than this embloom reads"):
        embloom.load(tmp_path)
    (tmp_path / CARD).write_text(json.dumps({**card, "encoder": {**card["encoder"], "activation": "tanh"}}))
    with pytest.raises(ValueError, match="damaged"):
        embloom.load(tmp_path)


def test_artifact_loads_in_five_lines_without_lightning_and_hydra(runs: Path) -> None:
    code = f"""
import embloom
embedding = embloom.load({str(runs / "texts")!r})
vectors = embedding.encode(["a lovely film", "dull"], layer="mean")
cosines, rows = embedding.vectors(["one text", "another film"]).nearest(embedding.vectors(["a film"]), k=1)
print(embedding.layers, tuple(vectors.shape), embedding.words.neighbors("film", 2))
import sys
assert not {{"lightning", "pytorch_lightning", "hydra", "omegaconf"}} & set(sys.modules), "imported"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "(2, 8)" in done.stdout
