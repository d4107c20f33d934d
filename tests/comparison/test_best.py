"""`embloom best`, `summary.csv` and what each setting explains, on runs made by hand."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

import embloom
from comparison.made import METRICS, quick
from embloom.comparison.collect import folders, read
from embloom.comparison.importance import explained, grouped, importance
from embloom.comparison.summary import write_summary
from embloom.comparison.table import Comparison
from harness import command

KNN = "probe/knn_label"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two losses, two rates; triplet is better for certain, of the rates nobody can tell; a seed failed."""
    root = tmp_path_factory.mktemp("sweep") / "it's [a] sweep"
    draw = random.Random(0)
    shared = [draw.gauss(0, 0.004) for _ in range(4)]
    for loss, gain in (("cross_entropy", 0.0), ("triplet", 0.2)):
        for lr in (0.01, 0.02):
            for seed in range(4):
                metrics = {**METRICS, KNN: 0.7 + gain + shared[seed] + draw.gauss(0, 0.001)}
                failed = (loss, lr, seed) == ("cross_entropy", 0.02, 3)
                quick(root / f"{loss}_{lr}_{seed}", lr, seed, {} if failed else metrics, loss)
    return root


def test_the_winner_and_what_cannot_be_told(sweep: Path) -> None:
    answer = embloom.best(sweep, by="knn_label")
    assert answer.by == KNN
    assert answer.settings["loss"] == "triplet"
    assert len(answer.runs) == 4
    assert not answer.settled
    assert [test.called for test in answer.differences] == [False, True, True]
    table = pandas.DataFrame(answer.records())
    assert list(table["loss"]) == ["triplet", "triplet", "cross_entropy", "cross_entropy"]
    assert table["paired"].iloc[1]
    text = str(answer)
    assert "cannot tell whether it is better than triplet, lr=0.0" in text
    assert "paired over 4 seeds" in text
    assert "paired over 3 seeds" in text
    assert "1 failed" in text


def test_by_a_loss_the_least_wins(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="several loss configurations"):
        embloom.best(sweep, by="val/loss")
    for lr, values in ((0.01, (0.5, 0.51, 0.49)), (0.02, (0.3, 0.31, 0.29))):
        for seed, value in enumerate(values):
            quick(tmp_path / f"{lr}_{seed}", lr, seed, {"val/loss": value + seed * 0.001 * (lr > 0.01)})
    answer = embloom.best(tmp_path, by="val/loss")
    assert answer.settings["optimizer.lr"] == 0.02
    assert answer.settled
    assert answer.differences[0].mean == pytest.approx(0.199)
    assert "the lower the better" in str(answer)


def test_a_repeated_seed_is_no_evidence_and_a_diverged_run_no_figure(tmp_path: Path) -> None:
    for place, (lr, seed, value) in enumerate(
        [(0.01, 0, 0.9), (0.01, 0, 0.9), (0.01, 1, 0.91), (0.02, 0, 0.8), (0.02, 0, 0.8), (0.02, 1, math.nan)]
    ):
        quick(tmp_path / str(place), lr, seed, {KNN: value})
    answer = embloom.best(tmp_path)
    assert [record["seeds"] for record in answer.records()] == [2, 1]
    assert not answer.settled
    assert "train at least 3 of each" in str(answer)
    assert "1 diverged" in str(answer)


def test_the_command_answers_without_torch_and_writes_the_summary(sweep: Path) -> None:
    code = "import sys; from embloom.cli import main; main(); print('torch' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code, "best", str(sweep)], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    lines = found.stdout.splitlines()
    assert lines[0].startswith(f"best by {KNN}: triplet, lr=0.0")
    assert lines[-1] == "False"
    assert str(sweep) in found.stdout
    with (sweep / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    assert {(row["loss"], row["optimizer.lr"], row["seed"], row["path"]) for row in rows} >= {
        ("triplet", "0.02", "3", "triplet_0.02_3"),
    }
    failed = next(row for row in rows if row["state"] == "failed")
    assert failed[KNN] == ""
    assert json.loads(command("best", str(sweep), "--json", cwd=sweep).stdout)["by"] == KNN


def test_the_summary_has_the_same_bytes_wherever_it_lies(sweep: Path, tmp_path: Path) -> None:
    first = write_summary(sweep)
    assert first is not None
    shutil.copytree(sweep, tmp_path / "copy")
    (tmp_path / "copy" / "summary.csv").unlink()
    second = write_summary(tmp_path / "copy")
    assert second is not None
    assert second.read_bytes() == first.read_bytes()
    assert write_summary(tmp_path / "copy" / "nothing") is None
    (tmp_path / "copy" / "triplet_0.01_0" / "run.json").write_text("{")
    write_summary(tmp_path / "copy")
    assert "unreadable" in second.read_text()


def test_records_of_runs_are_what_pandas_takes(sweep: Path) -> None:
    table = pandas.DataFrame(embloom.runs(sweep))
    assert len(table) == 16
    assert {"folder", "state", "config/optimizer.lr", "config/seed", "config/optimizer.betas", KNN} <= set(
        table.columns
    )
    assert table[KNN].isna().sum() == 1
    means = table.groupby(["loss", "config/optimizer.lr"])[KNN].mean()
    best = embloom.best(sweep)
    assert means.idxmax() == ("triplet", best.settings["optimizer.lr"])
    assert means.max() == pytest.approx(best.records()[0]["mean"])


def test_compare_says_the_same(sweep: Path) -> None:
    found = command("compare", str(sweep), cwd=sweep)
    assert found.returncode == 0, found.stderr
    assert str(embloom.best(sweep)) in found.stdout
    assert json.loads(command("compare", str(sweep), "--json", cwd=sweep).stdout)["best"]["settled"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--by", "nonsense"], "--by nonsense: no run has such a metric"), (["absent"], "absent: there is no run")],
)
def test_mistakes_are_said(sweep: Path, arguments: list[str], said: str) -> None:
    found = command("best", str(sweep), *arguments, cwd=sweep)
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_what_explains_the_differences(sweep: Path) -> None:
    comparison = Comparison([read(folder) for folder in folders([str(sweep)])])
    found = importance(comparison.rows, comparison.keys, KNN)
    assert found[0][0] == "loss"
    assert found[0][1] > 0.95
    assert dict(found)["optimizer.lr"] < 0.05
    assert found[-1][0] == "seed"
    assert found[-1][1] < 0.05


def test_shares_of_variance_by_hand() -> None:
    values = [1.0, 1.0, 3.0, 3.0]
    assert explained(["a", "a", "b", "b"], values) == pytest.approx(1.0)
    assert explained(["a", "b", "a", "b"], values) == 0.0
    # Total 5, within 1, by chance 1 * 1 / 2.
    assert explained([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]) == pytest.approx((5 - 1 - 0.5) / 5)
    assert explained([0, 1, 2, 3], values) is None
    assert explained([0, 0, 0, 0], values) is None
    assert len(set(grouped([0.1 * i for i in range(40)]))) == 4
    assert grouped([1, 2, 2]) == ["1", "2", "2"]
