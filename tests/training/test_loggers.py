"""TensorBoard, CSV, MLflow and W&B are told the same, once, however often a run is stopped."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from embloom.comparison.curves import curves
from embloom.files.run_config import read_config, write_config
from embloom.files.run_folder import written
from embloom.training.loggers.board import rewind
from embloom.training.loggers.journal import Journal
from harness import command, finish, fork, killed, wait_for
from trained import SMALL_DIGITS, trained
from training.logged import from_csv, from_mlflow, from_tensorboard, from_wandb, mlflow_run

ALL = ("logger=[tensorboard,csv,mlflow,wandb]", "logger.wandb.offline=true")
SMALL = ("trainer=cpu", "trainer.max_epochs=3", "trainer.log_every_n_steps=4", "probe=[chance]",
         "encoder.layers=1024-8-10", "callbacks.checkpoints.every_n_steps=7",
         "callbacks.classification.misclassified=0")  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    finish(fork("train", *ALL, *SMALL, "hydra.run.dir=run", cwd=folder), folder)
    return folder


def test_all_hold_the_same_numbers(whole: Path) -> None:
    run = whole / "run"
    expected = from_tensorboard(run)
    assert {"train/loss", "val/loss", "test/loss", "probe/chance_label", "train/learning_rate"} <= expected.keys()
    assert len(expected["train/loss"]) == 15
    assert from_csv(run) == expected
    assert from_mlflow(whole / "mlruns") == expected
    assert from_wandb(run) == expected


def test_all_hold_the_settings_and_where_the_artifact_is(whole: Path) -> None:
    artifact = str((whole / "run" / "embeddings").resolve())
    settings = yaml.safe_load((whole / "run" / "hparams.yaml").read_text())
    assert settings["artifact"] == artifact
    assert settings["encoder.layers"] == "1024-8-10"
    params, tags = mlflow_run(whole / "mlruns")
    assert params == {key: str(value) for key, value in settings.items() if key != "artifact"}
    assert tags["embloom.artifact"] == artifact
    logged = b"".join(path.read_bytes() for path in (whole / "run" / "wandb").rglob("*.wandb"))
    assert artifact.encode() in logged


def test_a_killed_run_goes_on_with_no_point_twice_and_none_missing(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = fork("train", *ALL, *SMALL, "hydra.run.dir=run", cwd=tmp_path)
    wait_for(lambda: '"step": 28,' in sent(run))
    assert killed(process, 0.0)
    first = Journal(run, "mlflow").id, Journal(run, "wandb").id
    finish(fork("resume", "run", cwd=tmp_path), tmp_path)
    assert (Journal(run, "mlflow").id, Journal(run, "wandb").id) == first
    expected = from_tensorboard(whole / "run")
    assert from_tensorboard(run) == expected
    assert from_csv(run) == expected
    assert from_mlflow(tmp_path / "mlruns") == expected
    assert from_wandb(run) == expected
    assert written(run)[1] == []  # `embloom rm` takes all of it away


def sent(run: Path) -> str:
    path = run / "trackers" / "wandb.jsonl"
    return path.read_text() if path.exists() else ""


def test_a_run_may_be_logged_nowhere_and_elsewhere_later(tmp_path: Path) -> None:
    short = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "probe=[]")
    finish(fork("train", "logger=[]", *short, "hydra.run.dir=run", cwd=tmp_path), tmp_path)
    assert not [*(tmp_path / "run").glob("events*"), *(tmp_path / "run").glob("*.csv")]
    finish(fork("resume", "run", "logger=[csv]", "trainer.max_epochs=2", cwd=tmp_path), tmp_path)
    assert [step for step, _ in from_csv(tmp_path / "run")["val/loss"]] == [6]


def test_a_run_that_is_older_than_the_choice_is_resumed_with_tensorboard(tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL_DIGITS)
    config = read_config(tmp_path / "run")
    del config["logger"]
    write_config(tmp_path / "run", config)
    finish(fork("resume", "run", "trainer.max_epochs=2", cwd=tmp_path), tmp_path)
    assert [step for step, _ in from_tensorboard(tmp_path / "run")["val/loss"]] == [3, 6]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["+logger=nowhere"], "logger=nowhere: there is no such logger"),
        (["logger=[tensorbord]"], "did you mean logger=tensorboard?"),
        (["logger=[wandb]", "logger.wandb.offlin=true"], "logger.wandb.offlin: there is no such setting"),
        (["logger=[wandb]", "logger.wandb.offline=false"], "logger.wandb.offline=false: nobody is logged in"),
        (["logger=[csv]", "+logger.csv.file=x"], "logger.csv.file: Csv has no such parameter"),
        (["logger=[mlflow]", "logger.mlflow.tracking_uri=ftp://nowhere"], "logger.mlflow (ftp://nowhere)"),
        (["+trainer.logger=csv"], "choose them with logger=[tensorboard,csv]"),
        (["+seeed=3"], "seeed=3: nothing reads it; did you mean seed?"),
        (["+loger=[csv]"], "did you mean logger?"),
        (["+trainer.max_epoch=3"], "trainer.max_epoch: nothing reads it; did you mean max_epochs"),
        (["+init_from.pth=x"], "init_from.pth: nothing reads it; did you mean path"),
        (["+dataset.weight=3"], "dataset.weight: nothing reads it here"),
        (["+encoder.weight=2"], "encoder.weight: nothing reads it here"),
        (["+optimizer.of={a: b}"], "optimizer.of: nothing reads it here"),
        (["trainer.profiler=advanced"], "trainer.profiler=advanced: it must be simple, pytorch, or null"),
    ],
)  # fmt: skip
def test_what_nothing_reads_is_refused(overrides: list[str], said: str, tmp_path: Path) -> None:
    process = fork("train", *overrides, "trainer.max_epochs=1", cwd=tmp_path)
    process.join(60)
    text = (tmp_path / "output.txt").read_text()
    assert process.exitcode == 2, text
    assert said in text
    assert "Traceback" not in text
    if "ftp" not in said:  # that shows when the run is to be logged
        assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_package_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        f"u.find_spec = lambda name, package=None: None if name == '{name}' else find(name, package)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    found = command("train", f"logger=[{name}]", cwd=tmp_path, env={"PYTHONPATH": path})
    assert found.returncode == 2
    assert found.stderr.strip() == (
        f"error: logger={name} needs a package that is not installed: pip install 'embloom[{name}]'"
    )


@pytest.mark.parametrize(
    "text", ['{"id": "../../x"}\n', "[1]\n", '{"step": 3}\n', '{"id": "a"}\n{"step": 3, "values": 1}\n']
)
def test_a_damaged_journal_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "mlflow.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"mlflow\.jsonl cannot be read"):
        Journal(tmp_path, "mlflow")


def test_half_a_line_in_a_journal_is_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "wandb")
    journal.start("abc")
    journal.note({"loss": 0.5}, 1)
    with journal.path.open("a") as file:
        file.write('{"step": 2, "va')
    again = Journal(tmp_path, "wandb")
    again.note({"image": None}, 3)
    found = Journal(tmp_path, "wandb")
    assert found.sent == {("loss", 1), ("image", 3)}
    assert found.numbers == [({"loss": 0.5}, 1)]


@pytest.mark.parametrize("kind", ["simple", "pytorch"])
def test_the_profiler_says_where_the_time_went(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ("trainer.accelerator=cpu", "trainer.max_epochs=1", "probe=[]")
    trained(tmp_path / "run", f"trainer.profiler={kind}", *short)
    said = capsys.readouterr().out
    assert "where the time went" in said
    assert ("run_training_batch" if kind == "simple" else "aten::addmm") in said
    report: Any = next((tmp_path / "run" / "profile").glob("fit-report*.txt")).read_text()
    assert "Profiler Report" in report
    if kind == "pytorch":
        traces = [*(tmp_path / "run" / "profile").glob("*.json")]
        assert traces
        assert json.loads(traces[0].read_text())["traceEvents"]
    assert written(tmp_path / "run")[1] == []
    shutil.rmtree(tmp_path / "run")


def test_a_damaged_csv_is_an_error_on_a_resume_and_no_error_in_a_comparison(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    before = csv.field_size_limit(1 << 17)  # which reading a large table raises for the whole process
    try:
        for content in (b"\xff\xfe\n\xff", b"step,a\n1," + 200_000 * b"x" + b"\n"):
            path.write_bytes(content)
            with pytest.raises(ValueError, match=r"metrics\.csv cannot be read"):
                rewind(tmp_path, {"metrics.csv": 1})
            assert curves(tmp_path) == {}
    finally:
        csv.field_size_limit(before)
    path.write_text("step,loss\n1,0.5\nx,0.4\n2,0.3,7,8\n3,\n4,nan\n5")
    assert curves(tmp_path)["loss"][0] == [1, 2, 4]
    rewind(tmp_path, {"metrics.csv": 3})
    assert path.read_text().splitlines() == ["step,loss", "1,0.5", "x,0.4", "2,0.3"]
