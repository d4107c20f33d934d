"""Every experiment of the autoencoder and the colour/shape tour trains, and its artifact works."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import embloom
from training import SMALL_DIGITS, trained

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
    assert head["test/accuracy_color"] > 0.5
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
