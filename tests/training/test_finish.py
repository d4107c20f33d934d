"""How a run ends when something fails after its training: what is there all the same, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import embloom
from embloom.probes.base import Frozen, Probe
from embloom.training.stop_signals import StoppedError
from harness import assert_same, finish, fork, outcome
from trained import SMALL_DIGITS, trained
from troubles import write_configs

SMALL = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "encoder.layers=1024-16-10")


class Raises(Probe):
    def __init__(self, kind: str = "RuntimeError") -> None:
        self.kind = kind

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        if self.kind == "ValueError":
            raise ValueError("layer 'x' is not there\nand a second line")
        raise RuntimeError("broken in two")


class Counts(Probe):
    def __call__(self, frozen: Frozen) -> dict[str, float]:
        return {"rows": len(frozen.score["embedding"])}


class NoNumber(Probe):
    def __call__(self, frozen: Frozen) -> dict[str, float]:
        return {"fine": 1.0, "text": "many"}  # type: ignore[dict-item]


def record(run: embloom.Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "run.json").read_text())
    return found


def test_a_probe_that_raises_costs_only_its_own_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probes = {"first": Raises, "rows": Counts, "words": NoNumber, "last": Raises}
    options = ("probe.first.kind=ValueError",)
    run = embloom.train(*SMALL, *options, parts={"probe": probes}, folder=tmp_path / "run")
    assert run.state == "finished"
    state = record(run)
    assert state["failed_probes"] == {
        "first": "layer 'x' is not there", "words": "could not convert string to float: 'many'",
        "last": "RuntimeError: broken in two",
    }  # fmt: skip
    assert "probe last failed: RuntimeError: broken in two" in state["reason"]
    assert run.metrics["probe/rows"] == 360
    assert {tag for tag in run.metrics if tag.startswith("probe/")} == {"probe/rows"}
    assert json.loads((run.folder / "metrics.json").read_text()) == run.metrics
    assert run.embedding.encode(torch.rand(2, 1024)).shape == (2, 10)
    assert run.embedding.card["metrics"] == run.metrics
    assert "warning: probe.last failed, the rest is there: RuntimeError: broken in two" in capsys.readouterr().err


def test_probes_without_trouble_leave_no_word_of_it(tmp_path: Path) -> None:
    run = embloom.train(*SMALL, parts={"probe": {"rows": Counts}}, folder=tmp_path / "run")
    assert (record(run)["failed_probes"], record(run)["reason"]) == ({}, "")


def test_a_stop_is_nothing_that_handlers_of_errors_see() -> None:
    assert not issubclass(StoppedError, Exception)


def test_a_signal_within_a_probe_stops_the_run_and_not_just_the_probe(tmp_path: Path) -> None:
    write_configs(tmp_path / "mine")
    start = ("train", "--config-dir", "mine", "hydra.run.dir=run", *SMALL)
    process = fork(*start, "probe=[chance,stops]", cwd=tmp_path)
    process.join(120)
    said = (tmp_path / "output.txt").read_text()
    assert process.exitcode == 128 + 15, said
    assert said.splitlines()[-1] == "embloom resume run --config-dir mine"
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (state["state"], state["reason"], state["failed_probes"]) == ("stopped", "stopped by SIGTERM", {})
    assert not (tmp_path / "run" / "embeddings").exists()
    finish(fork("resume", "run", "--config-dir", "mine", "probe=[chance]", cwd=tmp_path), tmp_path)
    whole = tmp_path / "whole"
    whole.mkdir()
    finish(fork("train", "hydra.run.dir=run", *SMALL, "probe=[chance]", cwd=whole), whole)
    assert_same(outcome(whole / "run")["weights"], outcome(tmp_path / "run")["weights"])
    assert outcome(whole / "run")["hash"] == outcome(tmp_path / "run")["hash"]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "gone"])
def test_a_damaged_best_checkpoint_lets_the_run_finish_on_the_last_weights(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    trained(run, *SMALL_DIGITS, "encoder.layers=1024-16-10", "optimizer.lr=0.01")
    best = run / "checkpoints" / "best.ckpt"
    content = best.read_bytes()
    best.unlink()
    if damage != "gone":
        best.write_bytes(b"garbage" * 99 if damage == "garbage" else content[: len(content) // 2])
    capsys.readouterr()
    # With such a learning rate the second epoch is worse, so that nothing replaces the damaged file.
    done = embloom.resume(run, "trainer.max_epochs=2", "optimizer.lr=100")
    assert done.state == "finished"
    warned = "best.ckpt cannot be read" in (said := capsys.readouterr().err)
    assert warned == (damage != "gone"), said
    assert ("the last weights are tested and kept instead" in said) == warned
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name, weight in done.embedding.encoder.state_dict().items():
        assert torch.equal(weight, last[f"encoder.{name}"])
