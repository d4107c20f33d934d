"""A run that dies anywhere resumes to the same bits."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from harness import assert_same, finish, fork, killed, outcome, wait_for

# Checkpoints every few steps, so that many kills fall into the writing of one.
TRAIN = (
    "train",
    "hydra.run.dir=run",
    "trainer=cpu",
    "trainer.max_epochs=4",
    "trainer.log_every_n_steps=7",
    "trainer.val_check_interval=0.5",
    "callbacks.checkpoints.every_n_steps=3",
    "callbacks.classification.misclassified=0",
)


# Epochs of six passes over four batches; saved after every third, so mostly within a pass.
PASSES = (*TRAIN, "dataset.batch_size=384", "trainer.min_batches=22", "trainer.max_epochs=3")


def killed_and_resumed(train: tuple[str, ...], folder: Path, moments: random.Random, longest: float) -> int:
    """Trains, killing after at most so many seconds and resuming, until a run ends by itself; returns the kills."""
    process, kills = fork(*train, cwd=folder), 0
    while True:
        if kills == 0:
            wait_for(lambda: (folder / "run" / "run.json").exists())
        if not killed(process, moments.uniform(0.0, longest)):
            finish(process, folder)
            return kills
        kills += 1
        process = fork("resume", "run", cwd=folder)


@pytest.mark.parametrize(
    ("train", "kills"),
    [(TRAIN, 3), pytest.param(TRAIN, 20, marks=pytest.mark.slow), (PASSES, 2)],
    ids=["a few kills", "twenty kills", "several passes an epoch"],
)
def test_killed_run_resumes_to_the_same_bits(tmp_path: Path, train: tuple[str, ...], kills: int) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    finish(fork(*train, cwd=whole), whole)
    seconds = time.monotonic() - began
    expected = outcome(whole / "run")
    done = 0
    for attempt in range(3 * kills):
        folder = tmp_path / f"killed{attempt}"
        folder.mkdir()
        done += killed_and_resumed(train, folder, random.Random(attempt), 0.7 * seconds)
        assert_same(expected, outcome(folder / "run"))
        if done >= kills:
            break
    assert done >= kills, f"only {done} kills"
