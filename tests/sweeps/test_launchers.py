"""Runs of a sweep in processes, on a cluster, and what becomes of them when one dies or is sent away."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from embloom.files.sweep import read_sweep
from harness import assert_same, command, fork, wait_for
from sweeps.test_sweep import QUICK, ended, outcomes, said

TWO = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def children(pid: int | None) -> list[int]:
    """The processes that a process, in any of its threads, has started."""
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_two_processes_train_what_one_does_and_end_at_once(tmp_path: Path) -> None:
    sweep = ("train", "-m", *QUICK, "loss=mse", "encoder.layers=auto-10,auto-9", "seed=0,1")
    (tmp_path / "one").mkdir()
    ended(*sweep, cwd=tmp_path / "one", status=1)
    text = ended(*sweep, *TWO, cwd=tmp_path, status=1)
    after = time.time() - (tmp_path / "output.txt").stat().st_mtime
    assert after < 30
    lines = re.findall(r"^run (\d) of 4: .*: (finished, probe/knn_label|failed: mse compares equal)", text, re.M)
    assert sorted(lines) == [("1", "finished, probe/knn_label"), ("2", "finished, probe/knn_label"),
                             ("3", "failed: mse compares equal"), ("4", "failed: mse compares equal")]  # fmt: skip
    assert "epoch 1/1" not in text
    for number in (1, 2):
        log = (tmp_path / "sweep" / "logs" / f"{number}.log").read_text()
        assert log.count("epoch 1/1") == 1
        assert "embedding layer" in log
    names = [job.folder for job in read_sweep(tmp_path / "sweep").jobs[:2]]
    found, expected = (outcomes(place / "sweep", names) for place in (tmp_path, tmp_path / "one"))
    assert_same(found, expected)


def test_processes_end_with_the_one_that_started_them_and_a_signal_saves(tmp_path: Path) -> None:
    train = ("train", "-m", *QUICK, "seed=0,1,2", "trainer.max_epochs=60", *TWO)
    process = fork(*train, cwd=tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("sweep/*/checkpoints/last.ckpt"))) >= 2, 400)
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    wait_for(lambda: not any(map(alive, workers)), 20)
    process = fork("resume", "sweep", cwd=tmp_path)
    wait_for(
        lambda: len(re.findall("resuming", "".join(p.read_text() for p in tmp_path.glob("sweep/logs/*")))) == 2, 240
    )
    time.sleep(0.5)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(120)
    assert process.exitcode == 143
    assert said(tmp_path).splitlines()[-1] == "embloom resume sweep"
    states = re.findall(r"^run \d of 3: .*: (\w+)", said(tmp_path), re.M)
    assert set(states) <= {"stopped", "finished"}


def test_a_process_that_dies_costs_its_run_only(tmp_path: Path) -> None:
    process = fork("train", "-m", *QUICK, "seed=0,1,2", "trainer.max_epochs=15", *TWO, cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("sweep/*_1/checkpoints/last.ckpt")), 400)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    process.join(300)
    assert process.exitcode == 1, said(tmp_path)
    assert "its process ended with SIGKILL" in said(tmp_path)
    assert re.search(r"stopped +2 of 3", command("runs", "sweep", cwd=tmp_path).stdout)
    text = ended("resume", "sweep", "hydra/launcher=basic", cwd=tmp_path)
    assert len(re.findall(r"^run \d of 3", text, re.M)) == 1


@pytest.mark.slow
def test_a_job_that_a_cluster_sends_away_is_saved_queued_again_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    train = ("train", "-m", *QUICK, "seed=0", "trainer.max_epochs=60", "hydra/launcher=submitit_local")
    process = fork(*train, cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("sweep/*_1/checkpoints/last.ckpt")), 400)
    [controller] = children(process.pid)
    [job] = children(controller)
    os.kill(job, signal.SIGUSR2)
    process.join(300)
    assert process.exitcode == 0, said(tmp_path)
    log = next(tmp_path.glob("sweep/submitit/*.out")).read_text()
    assert "stopped by SIGUSR2" in log
    assert re.search(r"resuming .*1_run from step \d+", log)
    assert log.count("epoch 1/60") == 1
    (tmp_path / "whole").mkdir()
    ended(*train[:-1], cwd=tmp_path / "whole")
    assert_same(outcomes(tmp_path / "whole" / "sweep"), outcomes(tmp_path / "sweep"))


def test_launchers_say_what_is_wrong(tmp_path: Path) -> None:
    for wrong, hint in {
        ("hydra/launcher=ray",): "no 'hydra/launcher/ray'|embloom's own sweeps know",
        ("hydra/launcher=joblib", "hydra.launcher.n_jobs=0"): "hydra.launcher.n_jobs=0: it must be",
        ("hydra/launcher=joblib", "hydra.launcher.n_jobz=2"): "n_jobz",
        ("hydra/launcher=submitit_slurm",): "srun|needs submitit",
    }.items():
        text = ended("train", "-m", *QUICK, "seed=0,1", *wrong, cwd=tmp_path, status=2)
        assert re.search(hint, text), text
    assert {path.name for path in tmp_path.iterdir()} == {"output.txt"}


def test_a_signal_to_the_first_command_ends_with_the_one_that_continues(tmp_path: Path) -> None:
    process = fork("train", "-m", *QUICK, "seed=0,1", *TWO, cwd=tmp_path)
    wait_for(lambda: (tmp_path / "sweep" / "logs").exists())
    os.kill(process.pid or 0, signal.SIGINT)  # before anything is trained, since processes take longer to start
    process.join(300)
    assert process.exitcode == 130
    assert said(tmp_path).splitlines()[-1] == "embloom resume sweep"
