"""SIGKILL at random moments of a sweep, between its runs and while its manifest is written too: it ends with the bits
of one that nobody disturbed, and hardly a step is done twice."""

from __future__ import annotations

import random
import shutil
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from embloom.comparison.summary import SUMMARY
from embloom.files.sweep import MANIFEST, read_sweep
from harness import assert_same, finish, fork, killed, outcome, wait_for

pytestmark = pytest.mark.slow

COUNTING = """
from embloom.callbacks.base import Callback


class Counting(Callback):
    def __init__(self, path: str) -> None:
        self.path = path

    def on_batch_end(self, run, batch) -> None:
        with open(self.path, "ab") as file:
            file.write(b".")
"""
SWEEP = ("-m", "loss=cross_entropy,triplet", "encoder.layers=auto-16-10,auto-32-10", "seed=0,1,2",
         "hydra.sweep.dir=sweep", "--config-dir", "mine", "callbacks=[default,counting]", "trainer=cpu",
         "trainer.max_epochs=10", "callbacks.checkpoints.every_n_steps=5", "probe=[knn]",
         "callbacks.classification.misclassified=0")  # fmt: skip
LAUNCHERS = {"one after the other": (), "two processes": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")}
RESUME = ("resume", "sweep", "--config-dir", "mine")
RUNS, STEPS, KILLS = 12, 200, 20


def make(folder: Path) -> Path:
    """A folder to run a sweep in, with a callback that counts steps."""
    (folder / "mine" / "callbacks").mkdir(parents=True)
    (folder / "mine" / "counting.py").write_text(COUNTING)
    text = f"counting:\n  _target_: counting.Counting\n  path: {folder / 'steps'}\n"
    (folder / "mine" / "callbacks" / "counting.yaml").write_text(text)
    return folder


def wait_for_steps(process: BaseProcess, steps: Path, more: int) -> None:
    """Until so many steps have been made, or the process has ended."""
    wanted = steps.stat().st_size + more if steps.exists() else more
    wait_for(lambda: not process.is_alive() or (steps.exists() and steps.stat().st_size >= wanted), 300)


def outcomes(sweep: Path) -> dict[str, Any]:
    """What every run ends with, without what holds the name of its place."""
    return {job.folder: outcome(sweep / job.folder) for job in read_sweep(sweep).jobs}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_killed_at_random_moments_ends_with_the_same_bits(launcher: str, tmp_path: Path) -> None:
    train = ("train", *SWEEP, *LAUNCHERS[launcher])
    whole = make(tmp_path / "whole")
    process = fork(*train, cwd=whole)
    wait_for(lambda: (whole / "sweep" / MANIFEST).exists())
    began = time.monotonic()
    finish(process, whole)
    seconds, moments = time.monotonic() - began, random.Random(launcher)
    assert (whole / "steps").stat().st_size == RUNS * STEPS
    folder, kills = make(tmp_path / "killed"), 0
    process = fork(*train, cwd=folder)
    wait_for(lambda: (folder / "sweep" / MANIFEST).exists())
    while True:
        if kills % 2:  # else on a slow machine all moments would fall into the start of the processes
            wait_for_steps(process, folder / "steps", moments.randint(1, RUNS * STEPS // 20))
        if not killed(process, 0 if kills % 2 else moments.uniform(0, seconds / 10)):
            break
        kills += 1
        process = fork(*RESUME, cwd=folder)
        if kills == KILLS:
            break
    finish(process, folder)
    twice = (folder / "steps").stat().st_size / (RUNS * STEPS) - 1
    print(f"{launcher}: {kills} kills in {seconds:.0f} s of work, {twice:.1%} of the steps done twice")
    assert kills >= KILLS
    assert 0 <= twice <= 0.05
    assert_same(outcomes(whole / "sweep"), outcomes(folder / "sweep"))
    assert (whole / "sweep" / SUMMARY).read_bytes() == (folder / "sweep" / SUMMARY).read_bytes()
    left = {path.name for path in (folder / "sweep").rglob(".*")}
    assert left == {".lock"}


def test_a_manifest_is_absent_old_or_whole(tmp_path: Path) -> None:
    small = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "probe=[chance]",
             "callbacks.classification.misclassified=0", "hydra.sweep.dir=sweep")  # fmt: skip
    train = ("train", "-m", *small, f"seed=range(0,{RUNS})")
    process = fork(*train, cwd=tmp_path)
    began = time.monotonic()
    wait_for(lambda: (tmp_path / "sweep" / MANIFEST).exists())
    seconds, moments = time.monotonic() - began, random.Random(0)
    killed(process, 0)
    found = []
    for attempt in range(KILLS // 2):
        shutil.rmtree(tmp_path / "sweep", ignore_errors=True)
        process = fork(*train, cwd=tmp_path)
        killed(process, moments.uniform(0.8, 1.1) * seconds)
        found.append((tmp_path / "sweep" / MANIFEST).exists())
        if found[-1]:
            assert len(read_sweep(tmp_path / "sweep").jobs) == RUNS, attempt
    shutil.rmtree(tmp_path / "sweep", ignore_errors=True)
    finish(fork("train", "-m", *small, "seed=0,1", cwd=tmp_path), tmp_path)
    for _ in range(KILLS // 4):
        process = fork("resume", "sweep", "seed=range(0,4)", cwd=tmp_path)
        killed(process, moments.uniform(0.2, 0.8) * seconds)
        assert len(read_sweep(tmp_path / "sweep").jobs) in (2, 4)
    finish(fork("resume", "sweep", "seed=range(0,4)", cwd=tmp_path), tmp_path)
    assert len(outcomes(tmp_path / "sweep")) == 4
    print(f"{sum(found)} of {len(found)} manifests were there")
