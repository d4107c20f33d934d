"""Every experiment of the autoencoder and the colour/shape tour trains, and its artifact works."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import embloom
from trained import SMALL_DIGITS, trained

AUTOENCODERS = (
    "autoencoder", "tied_autoencoder", "sparse_autoencoder", "denoising_autoencoder", "vae", "conv_autoencoder",
    "pca", "random_projection", "raw_pixels",
)  # fmt: skip


@pytest.mark.parametrize("experiment", AUTOENCODERS)
def test_autoencoders_encode_and_decode_what_they_have_not_seen(experiment: str, tmp_path: Path) -> None:
    metrics = trained(tmp_path / "run", f"experiment={experiment}", *SMALL_DIGITS)
    loaded = embloom.load(tmp_path / "run")
    rows = torch.rand(3, 1024)
    vectors = loaded.encode(rows)
    assert vectors.shape == (3, 1024 if experiment == "raw_pixels" else 64)
    assert loaded.decode(vectors).shape == (3, 1024)
    assert 0 <= metrics["test/loss_reconstruction"] < 0.3


def test_pca_is_computed_and_the_best_linear_way_back(tmp_path: Path) -> None:
    pca = trained(tmp_path / "pca", "experiment=pca", "encoder.embedding=8", *SMALL_DIGITS)
    other = trained(tmp_path / "random", "experiment=random_projection", "encoder.embedding=8", *SMALL_DIGITS)
    assert pca["test/loss_reconstruction"] < other["test/loss_reconstruction"] / 3
    # An encoder that is computed can still have a head that is trained.
    head = trained(
        tmp_path / "head", "encoder=pca", "encoder.embedding=8", "loss=[color]", "loss.color.of.target=label",
        *SMALL_DIGITS, "trainer.max_epochs=3", "trainer.limit_train_batches=1.0", "optimizer.lr=0.05",
    )  # fmt: skip
    assert head["test/accuracy_label"] > 0.5
    codes = [embloom.load(tmp_path / name).encode(torch.ones(1, 1024)) for name in ("pca", "head")]
    assert torch.equal(*codes)


SMALL = (
    "experiment=color_shape", "dataset.counts={train: 1024, val: 64, test: 256}", "encoder.channels=8-16-32",
    "trainer.accelerator=cpu", "trainer.max_epochs=6", "probe=[linear,knn,mlp,chance]",
)  # fmt: skip


def test_color_alone_is_learned_and_measured_for_every_label(tmp_path: Path) -> None:
    metrics = trained(tmp_path / "run", *SMALL, "loss=[color]")
    assert metrics["probe/linear_color"] > 0.95
    assert metrics["probe/linear_shape"] < 0.5
    for label in ("color", "shape", "taxi"):
        assert {f"probe/{probe}_{label}" for probe in ("linear", "knn", "mlp", "chance")} <= set(metrics)
    assert metrics["probe/chance_taxi"] > 0.9


def test_terms_compose_and_a_label_with_its_loss_is_one_file(tmp_path: Path) -> None:
    metrics = trained(tmp_path / "run", *SMALL, "trainer.max_epochs=1", "loss=[taxi,large]", "loss.taxi.weight=0.3")
    assert {"test/loss_taxi", "test/loss_large", "probe/knn_large"} <= set(metrics)
    expected = 0.3 * metrics["test/loss_taxi"] + metrics["test/loss_large"]
    assert metrics["test/loss"] == pytest.approx(expected, rel=1e-5)


def test_bottleneck_composes_with_heads(tmp_path: Path) -> None:
    settings = ("loss=[shape,kl]", "encoder.variational=true", "trainer.max_epochs=1", "probe=[chance]")
    metrics = trained(tmp_path / "run", *SMALL, *settings)
    assert "test/loss_kl" in metrics
    with pytest.raises(ValueError, match=r"loss\.kl needs the tensor 'mean'"):
        trained(tmp_path / "plain", *SMALL, *settings, "encoder.variational=false")


@pytest.mark.parametrize("encoder", ["mlp", "conv"])
def test_every_encoder_takes_the_channels_that_are_left(encoder: str, tmp_path: Path) -> None:
    layers = "encoder.layers=1024-64-8" if encoder == "mlp" else "encoder.embedding=8"
    small = [o for o in SMALL if not o.startswith("encoder")]
    settings = (f"encoder={encoder}", layers, "dataset.channels=yellow", "trainer.max_epochs=1", "probe=[chance]")
    metrics = trained(tmp_path / "run", *small, *settings)
    assert "test/loss_color" in metrics


SCRIPTS = Path(__file__).parents[2] / "scripts" / "benchmarks"


def test_leftover_table_has_a_row_for_whatever_differs(tmp_path: Path) -> None:
    tiny = (*SMALL, "dataset.counts={train: 64, val: 16, test: 32}", "trainer.max_epochs=1", "probe=[linear,chance]")
    for name, settings in {
        "a": ["loss=[color]", "seed=1"],
        "b": ["loss=[color]", "seed=2"],
        "c": ["loss=[color]", "optimizer.weight_decay=0"],
        "d": ["loss=[shape]", "optimizer.weight_decay=0", "encoder.embedding=4"],
    }.items():
        trained(tmp_path / name, *tiny, *settings)
    runs = runpy.run_path(str(SCRIPTS / "leftover.py"))["collected"](tmp_path)
    assert {tuple(key): len(found) for key, found in runs.items()} == {
        ("color", "weight_decay=0.5", 16): 2,
        ("color", "weight_decay=0", 16): 1,
        ("shape", "weight_decay=0", 4): 1,
    }


@pytest.mark.slow
def test_table_of_autoencoders_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    trained(tmp_path / "autoencoder", "experiment=autoencoder", *SMALL_DIGITS)
    (tmp_path / "autoencoder" / "metrics.json").unlink()
    shutil.rmtree(tmp_path / "autoencoder" / "checkpoints")
    options = ("--folder", str(tmp_path), "--only", "pca,autoencoder")
    command = [sys.executable, str(SCRIPTS / "autoencoders.py"), *options]
    done = subprocess.run([*command, *SMALL_DIGITS], capture_output=True, text=True, check=True)
    assert "pca" in done.stdout
    assert "against PCA" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "other"), [("color", "shape"), ("shape", "color")])
def test_each_loss_keeps_its_label_and_forgets_the_other(asked: str, other: str, tmp_path: Path) -> None:
    metrics = trained(tmp_path / "run", "experiment=color_shape", f"loss=[{asked}]", "trainer.accelerator=cpu")
    for probe in ("linear", "knn", "mlp"):
        assert metrics[f"probe/{probe}_{asked}"] > 0.97
        assert metrics[f"probe/{probe}_{other}"] < metrics[f"probe/chance_{other}"] + 0.15
