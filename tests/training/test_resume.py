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
    "callbacks.pictures.misread=0",
)


def killed_and_resumed(folder: Path, moments: random.Random, longest: float) -> int:
    """Trains, killing after at most so many seconds and resuming, until a run ends by itself; returns the kills."""
    process, kills = fork(*TRAIN, cwd=folder), 0
    while True:
        if kills == 0:
            wait_for(lambda: (folder / "run" / "run.json").exists())
        if not killed(process, moments.uniform(0.0, longest)):
            finish(process, folder)
            return kills
        kills += 1
        process = fork("resume", "run", cwd=folder)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)], ids=["a few kills", "twenty kills"])
def test_killed_run_resumes_to_the_same_bits(tmp_path: Path, kills: int) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    finish(fork(*TRAIN, cwd=whole), whole)
    seconds = time.monotonic() - began
    expected = outcome(whole / "run")
    done = 0
    for attempt in range(3 * kills):
        folder = tmp_path / f"killed{attempt}"
        folder.mkdir()
        done += killed_and_resumed(folder, random.Random(attempt), 0.7 * seconds)
        assert_same(expected, outcome(folder / "run"))
        if done >= kills:
            break
    assert done >= kills, f"only {done} kills"
