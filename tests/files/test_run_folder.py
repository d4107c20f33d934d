"""Run folders: a name belongs to one run, however many ask for it at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embloom.files.run_folder import LOCK, claim, find_runs, is_locked, locked, unclaim
from embloom.files.run_state import CONFIG, STATE
from harness import finish, fork

TRAIN = ("train", "trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "probe=[chance]")


def test_an_automatic_name_is_given_once(tmp_path: Path) -> None:
    place = tmp_path / "outputs" / "name" / "now"
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: claim(place, automatic=True), range(16)))
    assert {folder.name for folder in folders} == {"now", *(f"now-{i}" for i in range(2, 17))}
    assert all(folder.is_dir() and folder.parent == place.parent for folder in folders)


def test_a_run_that_is_there_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in (CONFIG, STATE):
        (tmp_path / "run" / name).write_text("{}")
    assert claim(tmp_path / "run", automatic=True) == tmp_path / "run-2"
    with pytest.raises(ValueError, match="holds a run already: continue it with embloom resume"):
        claim(tmp_path / "run", automatic=False)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [CONFIG, STATE]


def test_a_chosen_name_in_which_a_run_died_before_it_began_is_free(tmp_path: Path) -> None:
    assert claim(tmp_path / "run", automatic=False) == tmp_path / "run"
    assert claim(tmp_path / "run", automatic=False) == tmp_path / "run"


def test_what_was_claimed_in_vain_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "outputs" / "name" / "now"
    unclaim(claim(place, automatic=True), automatic=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    unclaim(claim(tmp_path / "mine" / "run", automatic=False), automatic=False)
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_a_folder_is_written_by_one_process(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(ValueError, match="is in use by another embloom process"), locked(tmp_path):
            pass
    assert not is_locked(tmp_path)
    assert (tmp_path / LOCK).exists()


def test_two_runs_that_start_in_the_same_second_both_survive(tmp_path: Path) -> None:
    # Forks of one server, which began in one second: both make up the same name.
    processes = [fork(*TRAIN, f"trainer.log_every_n_steps={steps}", cwd=tmp_path) for steps in (1, 2)]
    for process in processes:
        finish(process, tmp_path)
    runs = find_runs(tmp_path / "outputs")
    assert len(runs) == 2
    one, other = sorted(folder.name for folder in runs)
    assert other == f"{one}-2"
    for folder in runs:
        assert json.loads((folder / STATE).read_text())["state"] == "finished"
        assert (folder / "embeddings" / "card.json").exists()
    lines = {line.strip() for folder in runs for line in (folder / CONFIG).read_text().splitlines()}
    assert {line for line in lines if "log_every" in line} == {f"log_every_n_steps: {steps}" for steps in (1, 2)}
    assert (tmp_path / "output.txt").read_text().count("done: ") == 2


def test_two_runs_into_one_chosen_folder_are_one_run(tmp_path: Path) -> None:
    processes = [fork(*TRAIN, "hydra.run.dir=run", f"seed={seed}", cwd=tmp_path) for seed in (1, 2)]
    for process in processes:
        process.join(120)
    said = (tmp_path / "output.txt").read_text()
    assert sorted(process.exitcode or 0 for process in processes) == [0, 2], said
    assert "error: run " in said
    assert json.loads((tmp_path / "run" / STATE).read_text())["state"] == "finished"
