"""Runs with learned weights, warm-ups, noise and computed encoders end with the same bits, killed or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import same_after_kills

COMMON = (
    "train", "hydra.run.dir=run", "trainer=cpu", "trainer.log_every_n_steps=3", "callbacks.checkpoints.every_n_steps=2",
    "callbacks.classification.misclassified=0", "probe=[chance]",
)  # fmt: skip
SHAPES = ("experiment=color_shape", "dataset.counts={train: 512, val: 64, test: 64}", "encoder.channels=4-8")
RUNS = {
    # A normalised encoder whose code is drawn, terms of learned and of rising weight, and gradients looked at.
    "color_shape": (
        *SHAPES, "loss=[color,shape,kl]", "loss.color.weight=learned", "loss.shape.weight=learned",
        "encoder.variational=true", "callbacks.loss_weights.warmup={kl: 0.7}", "dataset.noise=0.1",
        "callbacks.gradient_cosine.every_n_steps=3", "trainer.max_epochs=6",
    ),
    "vae": ("experiment=vae", "dataset=digits", "encoder.layers=1024-32-8", "dataset.noise=0.2", "dataset.mask=0.2"),
    "pca": ("encoder=pca", "loss=[color]", "loss.color.of.target=label"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_killed_run_resumes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    same_after_kills(tmp_path, (*COMMON, *RUNS[name]), 2)
