"""What a comparison says of settings, seeds, probes and losses."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from comparison.made import METRICS, made
from embloom.comparison.collect import Recorded, differing, folders, read
from embloom.comparison.html import table_data
from embloom.comparison.table import Comparison, print_comparison


def recorded(root: Path, **runs: tuple[list[str], dict[str, float]]) -> list[Recorded]:
    return [
        read(made(root / name, *overrides, metrics={**METRICS, **more}, state="stopped"))
        for name, (overrides, more) in runs.items()
    ]


def test_settings_that_differ_come_first_by_what_was_chosen(tmp_path: Path) -> None:
    runs = recorded(
        tmp_path,
        a=(["optimizer.lr=0.01"], {}),
        b=(["loss=triplet", "optimizer.lr=0.01"], {}),
        c=(["seed=3", "optimizer.lr=0.02"], {}),
    )
    # What only the triplet loss has (its margin) follows from the choice of the loss.
    assert differing(runs) == ["loss", "optimizer.lr", "seed"]
    assert differing(runs[:1]) == []
    comparison = Comparison(runs)
    assert sorted(row.name for row in comparison.rows) == [
        "cross_entropy, lr=0.01", "cross_entropy, lr=0.02", "triplet, lr=0.01",
    ]  # fmt: skip


def test_a_setting_of_the_same_choice_that_one_run_lacks_is_a_difference(tmp_path: Path) -> None:
    runs = recorded(tmp_path, a=(["loss=triplet"], {}), b=(["loss=triplet"], {}), c=([], {}))
    del runs[1].settings["loss.triplet.margin"]
    assert differing(runs) == ["loss", "loss.triplet.margin"]


def test_runs_that_differ_by_seed_only_are_one_row_with_mean_and_spread(tmp_path: Path) -> None:
    values = [0.9, 0.8, 0.95]
    runs = recorded(tmp_path, **{f"s{i}": ([f"seed={i}"], {"probe/knn_label": v}) for i, v in enumerate(values)})
    runs += recorded(tmp_path, other=(["loss=triplet"], {"probe/knn_label": 0.99}))
    comparison = Comparison(runs)
    assert [row.name for row in comparison.rows] == ["triplet", "cross_entropy"]
    assert [run.name for run in comparison.rows[1].runs] == [f"cross_entropy, seed={i}" for i in range(3)]
    record = json.loads(comparison.as_json())["rows"][1]["metrics"]["probe/knn_label"]
    assert record == {"mean": pytest.approx(statistics.fmean(values)), "std": pytest.approx(statistics.stdev(values)),
                      "n": 3}  # fmt: skip


def test_losses_are_compared_only_where_their_configuration_is_equal(tmp_path: Path) -> None:
    runs = recorded(
        tmp_path, a=(["optimizer.lr=0.01"], {}), b=(["optimizer.lr=0.02"], {}), c=(["loss=triplet"], {}),
        d=(["loss.cross_entropy.weight=2"], {}), e=(["dataset.test_size=100"], {}), f=(["dataset.batch_size=8"], {}),
    )  # fmt: skip
    comparison = Comparison(runs)
    ((group, tags),) = comparison.losses
    assert sorted(run.folder.name for row in group for run in row.runs) == ["a", "b", "f"]
    assert tags == ["val/loss", "test/loss"]
    assert comparison.alone == 3
    groups = {row["runs"][0][-1]: row["loss_group"] for row in json.loads(comparison.as_json())["rows"]}
    assert groups["a"] == groups["b"] == groups["f"]
    assert len({groups[name] for name in "acde"}) == 4


def test_sorted_by_the_first_probe_or_by_what_is_asked_for(tmp_path: Path) -> None:
    settings = {"a": (0.5, 0.3, 2), "b": (0.7, 0.9, 10), "c": (0.6, 0.1, 1)}
    runs = recorded(
        tmp_path,
        **{
            name: ([f"optimizer.lr={lr}"], {"probe/knn_label": knn, "test/loss": loss})
            for name, (knn, loss, lr) in settings.items()
        },
    )

    def order(sort: str | None) -> str:
        return "".join(row.runs[0].folder.name for row in Comparison(runs, sort).rows)

    assert order(None) == order("knn_label") == "bca"
    assert order("test/loss") == "cab"
    assert order("lr") == "cab"
    with pytest.raises(ValueError, match="sort='foo': there is no such metric"):
        Comparison(runs, "foo")


def test_csv_reads_back(tmp_path: Path) -> None:
    runs = recorded(tmp_path, a=(["seed=1"], {}), b=(["seed=2"], {}), c=(["optimizer.lr=0.5"], {"probe/knn_label": 0}))
    lines = list(csv.DictReader(io.StringIO(Comparison(runs).as_csv())))
    assert [line["n"] for line in lines] == ["2", "1"]
    assert float(lines[0]["probe/knn_label"]) == 0.9
    assert lines[0]["probe/knn_label_std"] == "0.0"
    assert lines[1]["optimizer.lr"] == "0.5"
    assert lines[1]["probe/knn_label_std"] == ""


def test_runs_are_found_by_folder_sweep_and_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sweep/1_lr=[1,2]", "sweep/2", "other/3"):
        made(tmp_path / name, state="stopped")
    monkeypatch.chdir(tmp_path)
    assert [str(f) for f in folders(["sweep/1_lr=[1,2]"])] == ["sweep/1_lr=[1,2]"]
    assert len(folders(["sweep"])) == 2
    assert len(folders(["*/*", "sweep/2", str(tmp_path)])) == 3
    with pytest.raises(ValueError, match=r"nowhere\*: there is no run, artifact or file of vectors"):
        folders(["sweep", "nowhere*"])


def test_damaged_run_gives_one_message(tmp_path: Path) -> None:
    folder = made(tmp_path / "run", state="stopped")
    (folder / "config.yaml").write_text("{")
    with pytest.raises(ValueError, match=r"config\.yaml cannot be read"):
        read(folder)


def test_numbers_alone_need_no_torch(tmp_path: Path) -> None:
    runs = [str(made(tmp_path / name, f"seed={name}", state="stopped")) for name in "12"]
    code = (
        "import sys\nfrom embloom.cli import main\n"
        f"sys.argv = ['embloom', 'compare', *{runs!r}]\nmain()\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the runs differ by their seed only" in done.stdout
    assert "0.9000 ±0.0000" in done.stdout


def test_bytes_a_sample_stand_beside_the_scores_where_they_differ(tmp_path: Path) -> None:
    wide = made(tmp_path / "wide", "encoder.layers=auto-24-10")
    narrow = made(tmp_path / "narrow", "encoder.layers=auto-24-5", "loss=triplet", "probe=[knn]")
    unfinished = made(tmp_path / "unfinished", "optimizer.lr=0.5", "encoder.layers=auto-24-10", state="stopped")
    runs = [read(folder) for folder in (wide, narrow, unfinished)]
    assert [run.bytes_a_sample for run in runs[:2]] == [40.0, 20.0]
    assert math.isnan(runs[2].bytes_a_sample)
    comparison = Comparison(runs)
    assert comparison.sizes == ["bytes a sample"]
    sizes = {Path(record["runs"][0]).name: record["bytes_a_sample"] for record in comparison.records()}
    assert sizes == {"wide": 40.0, "narrow": 20.0, "unfinished": None}
    column = next(column for column in table_data(comparison)["columns"] if column["tag"] == "bytes a sample")
    assert {cell[0] for cell in column["cells"] if cell[0] == cell[0]} == {40.0, 20.0}
    assert column["whole"]
    assert Comparison(runs[:1]).sizes == []
    assert "bytes a sample" not in comparison.probes + comparison.scores


def test_a_terminal_shows_bytes_as_whole_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [read(made(tmp_path / str(width), f"encoder.layers=auto-{width}", "loss=triplet")) for width in (2048, 16)]
    print_comparison(Comparison(runs))
    shown = capsys.readouterr().out
    assert "bytes a sample" in shown
    assert "8,192" in shown
    assert "8192.0" not in shown
