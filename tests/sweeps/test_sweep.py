"""A sweep as it is typed: its manifest, its end, what failed, its continuation and its extension."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from embloom.files.run_folder import locked
from embloom.files.seal import sealed
from embloom.files.sweep import read_sweep
from harness import assert_same, command, fork, outcome, wait_for

QUICK = ("trainer=cpu", "trainer.max_epochs=1", "probe=[knn]", "callbacks.classification.misclassified=0",
         "hydra.sweep.dir=sweep")  # fmt: skip
SIZES = "encoder.layers=auto-8-auto,auto-16-auto"


def said(folder: Path) -> str:
    return (folder / "output.txt").read_text()


def outcomes(sweep: Path, names: list[str] | None = None) -> dict[str, Any]:
    """What every run of a sweep ends with."""
    return {name: outcome(sweep / name) for name in names or [job.folder for job in read_sweep(sweep).jobs]}


def ended(*arguments: str, cwd: Path, status: int = 0) -> str:
    """What a command says, which ends so."""
    (cwd / "output.txt").write_text("")
    process = fork(*arguments, cwd=cwd)
    process.join(300)
    assert process.exitcode == status, said(cwd)
    assert "Traceback" not in said(cwd)
    return said(cwd)


def test_a_sweep_says_which_run_it_is_at_and_ends_with_a_table(tmp_path: Path) -> None:
    text = ended("train", "-m", *QUICK, "loss=mse,cross_entropy", "seed=0,1", cwd=tmp_path)
    headers = re.findall(r"^run (\d) of 4: (.*)$", text, re.M)
    assert headers == [("1", "loss=mse seed=0"), ("2", "loss=mse seed=1"), ("3", "loss=cross_entropy seed=0"),
                       ("4", "loss=cross_entropy seed=1")]  # fmt: skip
    assert text.count("embedding layer") == 1
    assert text.count(" training examples, ") == 1
    table = text[text.index("probe/knn_label") :]
    scores = [float(score) for score in re.findall(r"^ \d .* (0\.\d{4}|1\.0000) *$", table, re.M)]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    sweep = read_sweep(tmp_path / "sweep")
    assert [job.varied for job in sweep.jobs][1] == {"loss": "mse", "seed": "1"}
    assert "holds a sweep already" in ended("train", "-m", *QUICK, "seed=0,1", cwd=tmp_path, status=2)
    (tmp_path / "single").mkdir()
    ended("train", *QUICK[:-1], "loss=mse", "seed=1", "hydra.run.dir=run", cwd=tmp_path / "single")
    assert_same(outcome(tmp_path / "single" / "run"), outcome(tmp_path / "sweep" / sweep.jobs[1].folder))


def test_mistakes_are_found_before_the_first_run(tmp_path: Path) -> None:
    for wrong, hint in {
        ("seed=0,-1", "loss=mse"): r"seed=-1: it must be .*\(seed=-1\)",
        ("loss=mse,tripplet",): "did you mean loss=triplet",
        ("encoder.layerz=1,2",): "no such setting",
        ("seed=interval(0,3)",): "hydra/sweeper=optuna",
        ("seed=0,1", "hydra.sweep.subdir=same"): "two runs would have the folder same",
        ("seed=0,1", "hydra.sweep.subdir=../out"): "a folder inside",
        ("seed=0,1", "--package", "x"): "does not go with -m",
        ("seed=0,1", "optimize=val/los"): "optimize=val/los: a run will have no such metric; did you mean val/loss",
    }.items():
        text = ended("train", "-m", *QUICK, *wrong, cwd=tmp_path, status=2)
        assert re.search(hint, text), text
    assert {path.name for path in tmp_path.iterdir()} == {"output.txt"}


def test_one_that_fails_ends_no_other_and_is_run_again_on_demand(tmp_path: Path) -> None:
    layers = "encoder.layers=auto-9,auto-10,auto-11"
    text = ended("train", "-m", *QUICK, "loss=mse", layers, cwd=tmp_path, status=1)
    assert "2 of 3 have not finished" in text
    assert "run 1 of 3: encoder.layers=auto-9: failed: mse compares equal widths" in text
    listed = command("runs", "sweep", cwd=tmp_path, env={"COLUMNS": "200"}).stdout
    assert re.search(r"failed +1 of 3, 2 failed", listed)
    assert listed.count("failed: mse compares equal widths") == 2
    text = ended("resume", "sweep", cwd=tmp_path, status=1)
    assert not re.findall(r"^run", text, re.M)
    text = ended("resume", "sweep", "--failed", cwd=tmp_path, status=1)
    assert re.findall(r"^run (\d) of 3", text, re.M) == ["1", "3"]


def test_more_values_run_only_what_is_missing(tmp_path: Path) -> None:
    ended("train", "-m", *QUICK, "loss=mse,triplet", "seed=0,1", cwd=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("sweep/*/run.json")}
    text = ended("resume", "sweep", "seed=range(0,3)", cwd=tmp_path)
    assert re.findall(r"^run (\d) of 6: (.*)$", text, re.M) == [("5", "loss=mse seed=2"), ("6", "loss=triplet seed=2")]
    assert all(path.read_bytes() == content for path, content in before.items())
    text = ended("resume", "sweep", "encoder.layers=auto-512-auto,auto-8-auto", cwd=tmp_path)
    assert len(re.findall(r"^run \d+ of 12: .*auto-8-auto", text, re.M)) == 6  # the default has been trained already
    assert "name all values" in ended("resume", "sweep", "trainer.max_epochs=3", cwd=tmp_path, status=2)
    again = ended("resume", "sweep", cwd=tmp_path)
    assert not re.findall(r"^run \d", again, re.M)


def test_a_signal_ends_with_the_command_that_continues_the_sweep(tmp_path: Path) -> None:
    train = ("train", "-m", *QUICK, "seed=0,1,2", "trainer.max_epochs=8")
    process = fork(*train, cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("sweep/*_2/checkpoints/last.ckpt")))
    os.kill(process.pid or 0, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    assert said(tmp_path).splitlines()[-1] == "embloom resume sweep"
    assert re.search(r"stopped +1 of 3", command("runs", "sweep", cwd=tmp_path).stdout)
    text = ended("resume", "sweep", cwd=tmp_path)
    assert "resuming sweep/seed=1_2" in text
    shutil.move(tmp_path / "sweep", tmp_path / "stopped")
    ended(*train, cwd=tmp_path)
    assert_same(outcomes(tmp_path / "sweep"), outcomes(tmp_path / "stopped"))


def test_a_sweep_in_use_waits_for_nobody(tmp_path: Path) -> None:
    ended("train", "-m", *QUICK, "seed=0,1", cwd=tmp_path)
    with locked(tmp_path / "sweep"):
        assert "in use" in ended("resume", "sweep", cwd=tmp_path, status=2)
        assert re.search(r"running +2 of 2", command("runs", "sweep", cwd=tmp_path).stdout)
    assert command("rm", "sweep", "--yes", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "sweep").exists()


def tampered(content: dict[str, Any], change: str) -> None:
    """Changes a manifest as somebody would who wants more than a sweep."""
    job = content["jobs"][0]
    if change == "code":
        job["config"]["loss"]["cross_entropy"]["_target_"] = "os.system"
    elif change == "environment":
        job["config"]["dataset"]["fit"] = "${oc.env:HOME}"
    elif change == "folder":
        job["folder"] = "../outside"
    elif change == "terminal":
        job["varied"]["seed"] = "\x1b[2J"
    elif change == "kind":
        content["jobs"] = {"0": job}


@pytest.mark.parametrize("change", ["code", "environment", "folder", "terminal", "kind"])
def test_a_manifest_that_was_changed_executes_nothing(change: str, tmp_path: Path) -> None:
    ended("train", "-m", *QUICK, "seed=0", "trainer.limit_train_batches=1", cwd=tmp_path)
    path = tmp_path / "sweep" / "sweep.json"
    content = json.loads(path.read_text())
    shutil.rmtree(tmp_path / "sweep" / content["jobs"][0]["folder"])
    tampered(content, change)
    path.write_text(json.dumps(content))
    assert "cannot be read" in ended("resume", "sweep", cwd=tmp_path, status=2)
    path.write_text(json.dumps(sealed(content)))  # by somebody who knows how
    text = ended("resume", "sweep", cwd=tmp_path, status=1 if change == "code" else 2)
    assert ("no file's word is enough" in text) if change == "code" else ("cannot be read" in text)
    assert command("runs", "sweep", cwd=tmp_path).returncode == 0


def test_from_python_a_sweep_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    settings = [*QUICK[:-1], "trainer.limit_train_batches=2", "encoder.layers=auto-8-auto"]
    code = f"""
import embloom

first = embloom.sweep(["seed=0,1", *{settings!r}], folder="sweep")
stamps = [(run.folder / "run.json").stat().st_mtime_ns for run in first.runs]
again = embloom.sweep(["seed=0,1,2", "loss=cross_entropy", *{settings!r}], folder="sweep")
assert [run.folder for run in again.runs][:2] == [run.folder for run in first.runs]
assert [(run.folder / "run.json").stat().st_mtime_ns for run in first.runs] == stamps
assert len(again.runs) == 3 and not again.failures
try:
    embloom.sweep("seed=0,1")
except ValueError as error:
    assert "a list" in str(error)
class Rings:
    pass
try:
    embloom.sweep(["seed=0,1", "hydra/launcher=joblib"], parts={{"encoder": Rings}})
except ValueError as error:
    assert "hydra/launcher" in str(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
