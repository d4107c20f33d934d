"""`embloom compare`, `map`, `runs` and `rm`, as they are typed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from comparison.made import made
from embloom.cli import main
from embloom.comparison.table import brief
from embloom.files.run_folder import best_probe, locked


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(sys, "argv", ["embloom", *arguments])
    main()


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_compare_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        made(tmp_path / "sweep" / f"loss=triplet,seed={seed}", "loss=triplet", f"seed={seed}")
    made(tmp_path / "other")
    options = ("--html", "page.html", "--points", "50", "--maps", "pca")
    call(monkeypatch, "compare", "sweep", "other", *options)
    shown = capsys.readouterr()
    assert "cross_entropy" in shown.out
    assert "0.9000 ±0.0000" in shown.out
    assert "written: page.html" in shown.err
    assert b"50 of 360 images are shown" in Path("page.html").read_bytes()
    call(monkeypatch, "compare", "sweep", "other", "--json")
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 2
    call(monkeypatch, "compare", "sweep", "other", "--csv")
    assert capsys.readouterr().out.startswith("name,loss,n,loss_group,")


def test_mistakes_are_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "run")
    made(tmp_path / "two")
    for arguments, message in {
        ("compare", "nowhere"): "nowhere: there is no run, artifact or file of vectors; see runs with embloom runs",
        ("compare", "run", "--html", "no/page.html"): "no/page.html cannot be written: there is no folder no",
        ("compare", "run", "--html", "run"): "run cannot be written: it is a folder",
        ("compare", "run", "--html", "x.html", "--maps", "lda"): "--maps lda: there is no such map",
        ("compare", "run", "--html", "x.html", "--points", "1"): "--points 1: it must be at least 3",
        ("compare", "run", "--sort", "x"): "--sort x: there is no such metric or setting",
        ("compare", "run", "dataset.rooot=x"): "dataset.rooot: none of the runs has such a setting",
        ("compare", "dataset.root=x"): "name at least one run",
        ("map", "run", "two"): "embloom map draws one run, and these are 2",
        ("map", "run", "--layer", "foo"): "there is no layer 'foo'; available: hidden_0, embedding",
        ("runs", "nowhere"): "there is no folder nowhere",
        ("runs", ".", "--since", "yesterday"): "--since yesterday: write the date as 2026-01-31",
        ("rm", "run"): "nobody can answer here: add --yes",
    }.items():
        assert message in refused(monkeypatch, capsys, *arguments), arguments
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "two"]
    assert not list(tmp_path.glob("run/map*"))


def test_map_draws_png_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path / "run")
    call(monkeypatch, "map", str(folder), "--points", "40", "--maps", "pca,tsne")
    with Image.open(folder / "map.png") as image:
        assert image.width > image.height > 300
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 50
    assert b"<canvas" not in (folder / "map.html").read_bytes()
    call(monkeypatch, "map", str(folder), "--points", "40", "--maps", "pca", "--out", str(tmp_path / "mine.png"))
    assert {"mine.png", "mine.html"} <= {path.name for path in tmp_path.iterdir()}


def listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    call(monkeypatch, "runs", ".", "--json", *options)
    return [Path(row["folder"]).name for row in json.loads(capsys.readouterr().out)]


def test_runs_are_filtered_and_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "a", metrics={"probe/knn_label": 0.9})
    made(tmp_path / "b", "loss=triplet", metrics={"probe/knn_label": 0.5}, state="failed")
    made(tmp_path / "c", "loss=[cross_entropy,triplet]", metrics={}, state="stopped")
    (tmp_path / "b" / "large").write_bytes(bytes(50_000_000))
    assert set(listed(monkeypatch, capsys)) == {"a", "b", "c"}
    assert listed(monkeypatch, capsys, "--loss", "triplet") == ["b"]
    assert set(listed(monkeypatch, capsys, "--loss", "*triplet*")) == {"b", "c"}
    assert set(listed(monkeypatch, capsys, "--state", "failed,finished")) == {"a", "b"}
    assert listed(monkeypatch, capsys, "--since", "2999-01-01") == []
    assert len(listed(monkeypatch, capsys, "--since", "2020-01-01")) == 3
    assert listed(monkeypatch, capsys, "--sort", "probe") == ["c", "b", "a"]
    assert listed(monkeypatch, capsys, "--sort", "size")[-1] == "b"
    call(monkeypatch, "runs", ".")
    shown = capsys.readouterr().out
    assert "failed: why" in shown
    assert "knn_label 0.9000" in shown
    assert "MB" in shown


def test_best_probe_is_the_farthest_above_chance() -> None:
    metrics = {"probe/knn_taxi": 0.98, "probe/chance_taxi": 0.97, "probe/knn_shape": 0.8, "probe/chance_shape": 0.2,
               "probe/effective_rank": 9.0, "test/loss": 3.0}  # fmt: skip
    assert best_probe(metrics) == ("knn_shape", 0.8)
    assert best_probe({"probe/chance_label": 0.1}) is None
    words = {"probe/word_similarity": 0.4, "probe/word_similarity_coverage_RG": 0.99, "probe/analogies_coverage": 0.9}
    assert best_probe(words) == ("word_similarity", 0.4)


def test_tables_leave_out_coverage_and_many_sections() -> None:
    sections = [f"probe/analogies_section{n}" for n in range(14)]
    files = ["probe/word_similarity_RG", "probe/word_similarity_MEN"]
    tags = [*files, "probe/word_similarity_coverage_RG", "probe/word_similarity", "probe/analogies", *sections]
    assert brief([*tags, "probe/analogies_coverage"]) == [*files, "probe/word_similarity", "probe/analogies"]


def test_rm_deletes_runs_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("digits-mlp-cross_entropy/1", "digits-mlp-cross_entropy/2", "kept/3", "kept/4"):
        made(tmp_path / "outputs" / name, state="stopped")
    (tmp_path / "outputs" / "notes.txt").write_text("mine")
    call(monkeypatch, "rm", "outputs/digits*", "--yes")
    assert "deleted 2 runs" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == ["kept", "notes.txt"]
    with locked(tmp_path / "outputs/kept/3"):
        assert "in use by another" in refused(monkeypatch, capsys, "rm", "outputs/kept/3", "--yes")
    (tmp_path / "link").symlink_to("outputs/kept/4")
    assert "is a link" in refused(monkeypatch, capsys, "rm", "link", "--yes")
    assert "there is no run" in refused(monkeypatch, capsys, "rm", "outputs/notes.txt", "--yes")
    call(monkeypatch, "rm", "outputs/kept/3", "outputs/kept/4", "--yes")
    assert (tmp_path / "outputs" / "kept").is_dir()


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", True), (b"\n", True), (b"y\n", False)])
def test_rm_asks_first(tmp_path: Path, answer: bytes, left: bool) -> None:
    folder = made(tmp_path / "run", state="stopped")
    controller, terminal = pty.openpty()
    os.write(controller, answer)
    command = [sys.executable, "-m", "embloom", "rm", str(folder)]
    done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=60, check=True)
    os.close(terminal)
    os.close(controller)
    assert "delete 1 run, " in done.stdout
    assert folder.exists() == left
