"""Runs with learned weights, warm-ups, noise and computed encoders end with the same bits, killed or not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from harness import assert_same, finish, fork, killed, outcome, wait_for

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


def killed_and_resumed(folder: Path, settings: tuple[str, ...], moments: random.Random) -> int:
    """Trains, killing at random moments after the first checkpoint, and resuming; returns the kills."""
    process, kills = fork(*COMMON, *settings, cwd=folder), 0
    while True:
        if kills == 0:
            wait_for(lambda: (folder / "run" / "checkpoints" / "last.ckpt").exists())
        if kills == 2 or not killed(process, moments.uniform(0.0, 1.0)):
            finish(process, folder)
            return kills
        kills += 1
        process = fork("resume", "run", cwd=folder)


@pytest.mark.parametrize("name", RUNS)
def test_killed_run_resumes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    finish(fork(*COMMON, *RUNS[name], cwd=whole), whole)
    assert killed_and_resumed(broken, RUNS[name], random.Random(3)) >= 1
    assert_same(outcome(whole / "run"), outcome(broken / "run"))
