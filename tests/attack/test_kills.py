"""SIGKILL at random moments: every kind of run resumes to the same bits, and what a command writes is whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from attack.examples import make_data
from harness import assert_same, finish, fork, killed, outcome, scalars, settled, wait_for
from trained import trained
from troubles import write_configs

pytestmark = pytest.mark.slow

OFTEN = ("hydra.run.dir=run", "trainer=cpu", "callbacks.checkpoints.every_n_steps=3", "trainer.log_every_n_steps=5")
DIGITS = (*OFTEN, "trainer.max_epochs=3", "probe=[knn]", "callbacks.classification.misclassified=0")
SMALL_SHAPES = ("dataset.counts={train: 256, val: 32, test: 64}", "probe=[knn]", "trainer.max_epochs=2")
RUNS: dict[str, tuple[str, ...]] = {  # what is trained -> how
    "mlp": DIGITS,
    "autoencoder": ("experiment=autoencoder", *OFTEN, "trainer.max_epochs=2", "encoder.layers=1024-16", "probe=[knn]"),
    "pca": ("experiment=pca", *OFTEN, "probe=[knn]"),
    "several losses": ("experiment=color_shape", *OFTEN, *SMALL_SHAPES),
    "skip-gram": ("experiment=skipgram", *OFTEN, "dataset.cache=../../cache", "dataset.batch_size=512",
                  "trainer.max_epochs=1"),
    "labelled text": ("experiment=bag_of_embeddings", *OFTEN, "dataset.path=../../texts/t.csv", "dataset.min_count=1",
                      "dataset.batch_size=4", "dataset.val_fraction=0.1", "trainer.max_epochs=3"),
    "table": ("dataset=table", *OFTEN, "encoder.layers=auto-16-auto", "trainer.max_epochs=2"),
    "streamed images": ("dataset=image_folder", "dataset.root=../../images", "dataset.stream=true",
                        "dataset.batch_size=1", "dataset.side=8", "encoder.layers=auto-8-auto", *OFTEN, "probe=[knn]",
                        "callbacks.classification.misclassified=0", "trainer.max_epochs=6"),
    "own parts": ("--config-dir", "../../mine", "loss=slow", "loss.slow.seconds=0", "loss.slow.progress=progress",
                  *DIGITS),
    "init_from frozen": ("init_from=../../source", "init_from.freeze=true", *DIGITS, "encoder.layers=1024-16-10",
                         "loss=triplet", "optimizer.lr=0.01", "init_from.map={linears.0: linears.0}"),
    "init_from thawed": ("init_from=../../source", "init_from.thaw_epoch=1", *DIGITS, "encoder.layers=1024-16-16-10",
                         "init_from.map={linears.0: linears.0}"),
    "early stopping": (*DIGITS, "callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=2",
                       "optimizer.lr=0.05", "trainer.max_epochs=9"),
    "gradient accumulation": (*DIGITS, "trainer.accumulate_grad_batches=3"),
    "recommender": ("experiment=recommender", *OFTEN, "dataset.batch_size=1024", "dataset.negatives=20",
                    "trainer.max_epochs=3"),
    "als": ("experiment=als", *OFTEN, "encoder.dim=8"),
    "csv too": (*DIGITS, "logger=[tensorboard,csv]"),
    "two views": (*DIGITS, "dataset.views=2", "dataset.augment.crop=0.3", "loss=nt_xent", "trainer.max_epochs=2"),
}  # fmt: skip
KILLS = 8  # of each kind of run, at least
MOMENTS = 12  # of each command that writes


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the runs read."""
    folder = tmp_path_factory.mktemp("kills")
    make_data(folder)
    write_configs(folder / "mine")
    trained(folder / "source", "trainer=cpu", "trainer.max_epochs=1", "encoder.layers=1024-16-10", "probe=[chance]")
    return folder


def left_by(run: Path) -> dict[str, object]:
    """What a run ends with; one that is computed has no checkpoint."""
    if (run / "checkpoints" / "last.ckpt").exists():
        return outcome(run)
    card = json.loads((run / "embeddings" / "card.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    return {"metrics": metrics, "curves": settled(scalars(run)), "hash": card["content_hash"]}


@pytest.mark.parametrize("name", RUNS)
def test_killed_runs_end_with_the_same_bits(name: str, place: Path) -> None:
    mine = RUNS[name][:2] if RUNS[name][0] == "--config-dir" else ()
    whole = place / name / "whole"
    whole.mkdir(parents=True)
    process = fork("train", *RUNS[name], cwd=whole)
    wait_for(lambda: (whole / "run" / "config.yaml").exists())
    began = time.monotonic()
    finish(process, whole)
    seconds = time.monotonic() - began
    expected, kills = left_by(whole / "run"), 0
    for attempt in range(4 * KILLS):
        folder, moments = place / name / f"killed{attempt}", random.Random(f"{name} {attempt}")
        folder.mkdir()
        process = fork("train", *RUNS[name], cwd=folder)
        wait_for(lambda folder=folder: (folder / "run" / "config.yaml").exists())  # type: ignore[misc]
        resumed = 0
        while killed(process, moments.uniform(0.0, seconds * (0.9 + 0.5 * resumed))):
            kills, resumed = kills + 1, resumed + 1
            process = fork("resume", "run", *mine, cwd=folder)
        finish(process, folder)
        assert_same(expected, left_by(folder / "run"), f"{name}, attempt {attempt}")
        assert not [path for path in (folder / "run").rglob(".*") if path.name != ".lock"]
        shutil.rmtree(folder)
        if kills >= KILLS:
            break
    print(f"{name}: {kills} kills")
    assert kills >= KILLS, f"only {kills} kills"


WRITES: dict[str, tuple[tuple[str, ...], str]] = {  # command, what it writes
    "encode": (("encode", "run", "images", "--output", "out.safetensors"), "out.safetensors"),
    "export": (("export", "run", "--to", "npz", "--output", "out.npz"), "out.npz"),
    "export torch": (("export", "run", "--to", "torch", "--output", "out.pt2"), "out.pt2"),
    "map": (("map", "run", "--points", "50", "--maps", "pca", "--out", "out"), "out.html"),
    "compare": (("compare", "run", "--html", "out.html", "--points", "50", "--maps", "pca"), "out.html"),
}


def whole_file(path: Path) -> None:
    """Reads a file that a command has written; fails where it is half of one."""
    if path.suffix == ".safetensors":
        assert safetensors.torch.load_file(path)["vectors"].shape[0] == 8
    elif path.suffix == ".npz":
        import numpy as np

        assert all(np.isfinite(array).all() for array in np.load(path).values())
    elif path.suffix == ".pt2":
        torch.export.load(path)
    else:
        assert path.read_text().rstrip().endswith("</html>")


@pytest.mark.parametrize("name", WRITES)
def test_what_a_killed_command_writes_is_absent_old_or_whole(name: str, place: Path, tmp_path: Path) -> None:
    command, written = WRITES[name]
    shutil.copytree(place / "source", tmp_path / "run")
    shutil.copytree(place / "images", tmp_path / "images")
    target = tmp_path / written
    finish(fork(*command, cwd=tmp_path), tmp_path)  # the first one also fills caches, of fonts for one
    began = time.monotonic()
    finish(fork(*command, cwd=tmp_path), tmp_path)
    seconds, moments = time.monotonic() - began, random.Random(name)
    whole_file(target)
    kills = 0
    for attempt in range(3 * MOMENTS):
        old = attempt % 2 == 1
        target.write_bytes(b"old") if old else target.unlink(missing_ok=True)
        kills += killed(fork(*command, cwd=tmp_path), moments.uniform(0.3, 1.1) * seconds)
        if target.exists() and target.read_bytes() != b"old":
            whole_file(target)
        else:
            assert target.exists() == old
        if kills >= MOMENTS:
            break
    print(f"{name}: {kills} kills")
    assert kills >= MOMENTS
    finish(fork(*command, cwd=tmp_path), tmp_path)
    whole_file(target)


def test_a_killed_removal_leaves_a_run_or_none(place: Path, tmp_path: Path) -> None:
    moments, kills = random.Random(0), 0
    for attempt in range(6 * MOMENTS):
        run = tmp_path / f"outputs{attempt}" / "run"
        shutil.copytree(place / "source", run)
        (run / "notes.txt").write_text("mine")
        process = fork("rm", str(run), "--yes", cwd=tmp_path)
        wait_for(lambda run=run: not (run / "run.json").exists() or random.random() < 0.1)  # type: ignore[misc]
        kills += killed(process, moments.uniform(0, 0.02))
        assert (run / "notes.txt").read_text() == "mine"
        if (run / "run.json").exists():
            outcome(run)
        if kills >= MOMENTS:
            break
    print(f"rm: {kills} kills")
    assert kills >= MOMENTS


def resumes(folder: Path) -> int:
    """How often a run was resumed, as far as its output says."""
    said = (folder / "output.txt").read_text()
    return said.count("resuming run") + said.count("is finished")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_ends_with_the_command_that_continues(signum: int, place: Path) -> None:
    whole, warm = (place / f"signal {signum}" / name for name in ("whole", "warm"))
    for folder in (whole, warm):
        folder.mkdir(parents=True)
    finish(fork("train", *DIGITS, cwd=warm), warm)  # the first one takes longer, and all signals would come too late
    process = fork("train", *DIGITS, cwd=whole)
    wait_for(lambda: (whole / "run" / "config.yaml").exists())
    began = time.monotonic()
    finish(process, whole)
    seconds, expected, stops = time.monotonic() - began, outcome(whole / "run"), 0
    for attempt in range(MOMENTS):
        folder, moments = whole.parent / str(attempt), random.Random(f"{signum} {attempt}")
        folder.mkdir()
        process, resumed = fork("train", *DIGITS, cwd=folder), 0
        wait_for(lambda folder=folder: (folder / "run" / "config.yaml").exists())  # type: ignore[misc]
        process.join(moments.uniform(0.05, 1.0) * seconds)
        while process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signum)
            process.join(60)
            said = (folder / "output.txt").read_text()
            assert "Traceback" not in said
            if process.exitcode == 0:
                break
            assert process.exitcode == 128 + signum, said
            assert said.splitlines()[-1].startswith("embloom resume run"), said
            stops, resumed = stops + 1, resumed + 1
            process = fork("resume", "run", cwd=folder)
            wait_for(lambda folder=folder, stops=resumed: resumes(folder) >= stops)  # type: ignore[misc]
            process.join(moments.uniform(0.0, 1.5) * seconds)
        finish(process, folder)
        assert_same(expected, outcome(folder / "run"), f"attempt {attempt}")
    print(f"signal {signum}: {stops} stops")
    assert stops >= MOMENTS // 3


def group_killed(pid: int) -> None:
    """Kills a process and those that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(pid, signal.SIGKILL)
    for child in children:
        with_descendants(int(child))


def with_descendants(pid: int) -> None:
    """Kills a process that may have gone, and its children."""
    try:
        group_killed(pid)
    except (OSError, ProcessLookupError):
        return


def test_two_processes_killed_resume_to_the_same_bits(tmp_path: Path) -> None:
    ddp = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "hydra.run.dir=run", "probe=[knn]",
           "trainer.max_epochs=4", "callbacks.checkpoints.every_n_steps=3", "dataset.batch_size=32",
           "callbacks.classification.misclassified=0")  # fmt: skip
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    finish(fork("train", *ddp, cwd=whole), whole)
    seconds, moments = time.monotonic() - began, random.Random(0)
    expected, kills, attempt = outcome(whole / "run"), 0, 0
    while kills < 10:
        folder = tmp_path / f"killed{attempt}"
        folder.mkdir()
        process, attempt = fork("train", *ddp, cwd=folder), attempt + 1
        wait_for(lambda folder=folder: (folder / "run" / "config.yaml").exists())  # type: ignore[misc]
        while True:
            process.join(moments.uniform(0, 1.1) * seconds)
            if not process.is_alive():
                break
            assert process.pid is not None
            group_killed(process.pid)
            process.join()
            kills += 1
            process = fork("resume", "run", cwd=folder)
        finish(process, folder)
        assert_same(expected, outcome(folder / "run"), f"attempt {attempt}")
        assert json.loads((folder / "run" / "run.json").read_text())["state"] == "finished"
    print(f"two processes: {kills} kills")
