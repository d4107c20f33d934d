"""Training in several processes, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import command

DDP = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


@pytest.mark.slow
def test_two_processes_train_one_run(tmp_path: Path) -> None:
    # Half the batch size for each of two: the same steps as one process makes.
    for arguments in ((*DDP, "dataset.batch_size=32"), ("trainer=cpu", "dataset.batch_size=64")):
        found = command("train", *arguments, "trainer.max_epochs=3", "encoder.dropout=0", cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert found.stdout.count("done: ") == 1
    several, one = (json.loads(p.read_text()) for p in sorted(tmp_path.glob("outputs/*/*/metrics.json")))
    assert several.keys() == one.keys()
    assert several["test/accuracy_label"] == pytest.approx(one["test/accuracy_cross_entropy"], abs=0.03)
    assert several["val/loss"] == pytest.approx(one["val/loss"], rel=0.1)
    folder = min(tmp_path.glob("outputs/*/*"))
    assert not (folder / ".worker.json").exists()
    found = command("resume", str(folder), "trainer.max_epochs=4", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert json.loads((folder / "run.json").read_text())["epoch"] == 4


@pytest.mark.slow
def test_a_mistake_ends_all_processes(tmp_path: Path) -> None:
    found = command("train", *DDP, "callbacks.checkpoints.monitor=val/nothing", "trainer.max_epochs=1", cwd=tmp_path)
    assert found.returncode == 2, found.stderr
    assert "monitor=val/nothing" in found.stderr
