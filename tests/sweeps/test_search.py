"""Searches: what they draw, what they refuse, how they end runs early, and that a kill changes nothing."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from embloom.files.sweep import read_sweep
from embloom.sweeps.pruning import judged
from harness import assert_same, finish, fork, killed, wait_for
from sweeps.test_sweep import QUICK, ended, outcomes, said

optuna = pytest.importorskip("optuna")
SEARCH = ("train", "-m", *QUICK, "hydra/sweeper=optuna", "encoder.layers=auto-16-10")
RATE = "optimizer.lr=tag(log,interval(0.0001,0.1))"


def test_a_search_draws_reads_its_objectives_and_is_extended(tmp_path: Path) -> None:
    asked = "optimize=[probe/knn_label,-val/loss]"
    text = ended(*SEARCH, RATE, "loss=cross_entropy,mse", asked, "hydra.sweeper.n_trials=3", cwd=tmp_path)
    assert len(re.findall(r"^run \d of 3: optimizer.lr=[\d.]+ loss=\w+$", text, re.M)) == 3
    assert "probe/knn_label" in text
    assert "val/loss" in text
    ended("resume", "sweep", "hydra.sweeper.n_trials=4", cwd=tmp_path)
    rates = [float(job.varied["optimizer.lr"]) for job in read_sweep(tmp_path / "sweep").jobs]
    assert len(set(rates)) == 4
    assert all(0.0001 <= rate <= 0.1 for rate in rates)
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "sweep" / "study.journal"))
    )
    trials = optuna.load_study(study_name="sweep", storage=storage).trials
    assert [trial.params["optimizer.lr"] for trial in trials] == rates
    assert all(len(trial.values) == 2 for trial in trials)


def test_mistakes_are_found_before_training(tmp_path: Path) -> None:
    for wrong, hint in {
        ("optimize=probe/knn_lable", RATE): "did you mean probe/knn_label.*A run has val/loss",
        ("optimize=val/loss", RATE): "optimize=-val/loss",
        ("optimize={a: 1}", RATE): "name a metric",
        ("optimize=[probe/knn_label,-probe/knn_label]", RATE): "twice",
        (): "nothing is searched",
        (RATE, "hydra.sweeper.n_trials=0"): "n_trials=0: it must be",
        (RATE, "hydra.sweeper.sampler=magic"): "one of tpe, random",
        (RATE, "hydra.sweeper.pruner=halving"): "callbacks.probing.every_n_epochs=1",
        (RATE, "hydra.sweeper.prune_by=-val/loss"): "needs hydra.sweeper.pruner",
        (RATE, "hydra/launcher=submitit_local"): "use joblib or none",
        ("encoder.layerz=1,2",): "no such setting",
    }.items():
        text = ended(*SEARCH, *wrong, cwd=tmp_path, status=2)
        assert re.search(hint, text), text
    assert {path.name for path in tmp_path.iterdir()} == {"output.txt"}


def test_bad_runs_are_ended_early(tmp_path: Path) -> None:
    pruned = ("hydra.sweeper.pruner=halving", "hydra.sweeper.prune_by=-val/loss", "trainer.max_epochs=4")
    text = ended(*SEARCH, RATE, *pruned, "hydra.sweeper.n_trials=6", cwd=tmp_path)
    assert 1 <= text.count("epoch 4/4") < 6
    assert "pruned after epoch 1" in said(tmp_path)


def test_halving_and_the_median_are_their_definitions() -> None:
    draw = random.Random(0)
    for _ in range(200):
        others = [{step: draw.random() for step in range(1, draw.randint(1, 9) + 1)} for _ in range(draw.randint(0, 9))]
        values = [draw.random() for _ in range(draw.randint(1, 9))]
        step = len(values)
        then = [other[step] for other in others if step in other]
        better = sum(value < values[-1] for value in then)
        places = max(1, (len(then) + 1) // 3)
        assert judged("halving", values, others, True) == (step in (1, 3, 9) and bool(then) and better >= places)
        middle = sorted(then)[len(then) // 2] if len(then) % 2 else None
        if middle is not None and len(then) >= 4:
            assert judged("median", values, others, True) == (min(values) > middle)
        mirrored = [{step: -value for step, value in other.items()} for other in others]
        assert judged("halving", values, others, True) == judged("halving", [-v for v in values], mirrored, False)


@pytest.mark.slow
def test_a_killed_search_draws_what_it_would_have(tmp_path: Path) -> None:
    search = (*SEARCH, RATE, "hydra.sweeper.n_trials=8", "hydra.sweeper.n_startup_trials=3", "trainer.max_epochs=3",
              "hydra.sweeper.pruner=halving", "hydra.sweeper.prune_by=-val/loss")  # fmt: skip
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    folder.mkdir()
    finish(fork(*search, cwd=whole), whole)
    process, moments = fork(*search, cwd=folder), random.Random(0)
    wait_for(lambda: (folder / "sweep" / "sweep.json").exists())
    for _ in range(8):
        if not killed(process, moments.uniform(0, 6)):
            break
        process = fork("resume", "sweep", cwd=folder)
    finish(process, folder)
    found, expected = (read_sweep(place / "sweep") for place in (folder, whole))
    assert [job.varied for job in found.jobs] == [job.varied for job in expected.jobs]
    assert_same(outcomes(whole / "sweep"), outcomes(folder / "sweep"))
