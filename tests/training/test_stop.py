"""Runs that are stopped, break, or find their last checkpoint damaged: what is said, and that they go on."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import assert_same, finish, fork, killed, outcome, wait_for
from troubles import write_configs

TRAIN = (
    "train", "hydra.run.dir=my run", "trainer=cpu", "trainer.max_epochs=3", "trainer.log_every_n_steps=7",
    "callbacks.checkpoints.every_n_steps=5", "callbacks.classification.misclassified=0", "probe=[knn]",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    finish(fork(*TRAIN, cwd=folder), folder)
    return folder / "my run"


def said(folder: Path) -> str:
    return (folder / "output.txt").read_text()


def ended(*arguments: str, cwd: Path, status: int) -> str:
    """Runs a command to its end, and returns what it said."""
    process = fork(*arguments, cwd=cwd)
    process.join(120)
    assert process.exitcode == status, said(cwd)
    assert "Traceback" not in said(cwd)
    return said(cwd)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_last_line_continues(signum: signal.Signals, tmp_path: Path, whole: Path) -> None:
    process = fork(*TRAIN, cwd=tmp_path)
    run = tmp_path / "my run"
    wait_for(lambda: (run / "checkpoints" / "last.ckpt").exists())
    assert process.pid is not None
    os.kill(process.pid, signum)
    process.join(60)
    assert process.exitcode == 128 + signum, said(tmp_path)
    last = said(tmp_path).splitlines()[-1]
    assert last.startswith("embloom resume ")
    state = json.loads((run / "run.json").read_text())
    assert (state["state"], state["reason"]) == ("stopped", f"stopped by {signum.name}")
    # It saved the step that it stopped at, not just the last one that was due.
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == state["step"]
    command = shlex.split(last)
    assert tmp_path / command[2] == run
    finish(fork(*command[1:], cwd=tmp_path), tmp_path)
    assert_same(outcome(whole), outcome(run))
    assert json.loads((run / "run.json").read_text())["state"] == "finished"


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    write_configs(tmp_path / "mine")
    slow = ("--config-dir", "mine", "loss=slow", "loss.slow.seconds=30")
    process = fork(*TRAIN, *slow, cwd=tmp_path)
    wait_for(lambda: (tmp_path / "progress").exists())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    wait_for(lambda: "once more to stop at once" in said(tmp_path))
    os.kill(process.pid, signal.SIGINT)
    process.join(15)  # less than a step takes
    assert process.exitcode == 130, said(tmp_path)
    assert said(tmp_path).splitlines()[-1].startswith("embloom resume ")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_breaks_names_step_term_and_checkpoint(value: str, tmp_path: Path) -> None:
    write_configs(tmp_path / "mine")
    breaks = (
        "--config-dir",
        "mine",
        "loss=[cross_entropy,breaks]",
        "loss.breaks.step=33",
        f"loss.breaks.value={value}",
    )
    often = ("callbacks.checkpoints.every_n_steps=10", "optimizer.lr=0.005")
    text = ended(*TRAIN, *breaks, *often, cwd=tmp_path, status=2)
    error, advice = (line for line in text.splitlines() if line.startswith("error: "))
    assert error == f"error: loss_breaks became {value} at step 33 (epoch 1)"
    assert "last.ckpt (step 30)" in advice
    assert "optimizer.lr=0.0005" in advice
    last = torch.load(tmp_path / "my run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 30
    assert all(weight.isfinite().all() for weight in last["state_dict"].values())
    assert json.loads((tmp_path / "my run" / "run.json").read_text())["state"] == "failed"
    # The advice is a command that works; the loss counts from 1 again and does not reach 33.
    command = re.search(r"embloom (resume .*) optimizer\.lr=(\S+),", advice)
    assert command is not None
    ended(*shlex.split(command[1]), f"optimizer.lr={command[2]}", "trainer.max_epochs=2", cwd=tmp_path, status=0)


def test_a_loss_that_breaks_at_once_says_that_nothing_was_saved(tmp_path: Path) -> None:
    write_configs(tmp_path / "mine")
    breaks = ("--config-dir", "mine", "loss=breaks", "loss.breaks.step=2")
    text = ended(*TRAIN, *breaks, cwd=tmp_path, status=2)
    assert "error: loss_breaks became nan at step 2 (epoch 0)" in text
    assert "nothing was saved before that" in text


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_a_damaged_last_checkpoint_falls_back_and_says_so(damage: str, tmp_path: Path, whole: Path) -> None:
    process = fork(*TRAIN, cwd=tmp_path)
    run = tmp_path / "my run"
    wait_for(lambda: (run / "checkpoints" / "previous.ckpt").exists())
    assert killed(process, after=0)
    last = run / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"garbage" * 1000)
    text = ended("resume", "my run", cwd=tmp_path, status=0)
    assert re.search(r"warning: my run/checkpoints/last.ckpt cannot be read: ", text)
    assert re.search(r"warning: continuing from my run/checkpoints/(previous|best).ckpt instead", text)
    assert_same(outcome(whole), outcome(run))


def test_no_sound_checkpoint_is_an_error(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "my run"
    shutil.copytree(whole, run)
    for path in (run / "checkpoints").glob("*.ckpt"):
        path.write_bytes(b"garbage")
    text = ended("resume", "my run", cwd=tmp_path, status=2)
    assert "error: no checkpoint in my run/checkpoints can be read" in text


def test_a_finished_run_says_so(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "my run"
    shutil.copytree(whole, run)
    before = outcome(run)
    assert "is finished; to train longer, add trainer.max_epochs=..." in ended(
        "resume", run.name, cwd=tmp_path, status=0
    )
    assert_same(before, outcome(run))


def epochs(folder: Path) -> int:
    state: dict[str, Any] = json.loads((folder / "my run" / "run.json").read_text())
    return int(state["epoch"])


def test_early_stopping_goes_on_counting_after_a_resume(tmp_path: Path) -> None:
    # Nothing is learned, so the first epoch is the best, and the third ends the patience.
    stops = (*TRAIN, "optimizer.lr=0", "callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=2")
    ended(*stops, "trainer.max_epochs=2", cwd=tmp_path, status=0)
    assert epochs(tmp_path) == 2
    ended("resume", "my run", "trainer.max_epochs=9", cwd=tmp_path, status=0)
    assert epochs(tmp_path) == 3
    assert "is finished" in ended("resume", "my run", cwd=tmp_path, status=0)
    assert epochs(tmp_path) == 3
