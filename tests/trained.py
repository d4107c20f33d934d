"""Trains in this process, from overrides, with the real configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from embloom.assembly import own
from embloom.assembly.compose import Composed, composed, plain
from embloom.files.run_state import read_state
from embloom.training.run import start

SMALL_DIGITS = ("trainer.accelerator=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "probe=[chance]")


def configuration(*overrides: str) -> dict[str, Any]:
    """What the command line would make of the overrides."""
    return plain(composed(list(overrides), []))


def trained(folder: Path, *overrides: str) -> dict[str, float]:
    """Trains in `folder` and returns the metrics."""
    names = {"dataset": "d", "encoder": "e", "loss": "l"}
    with own.parts((), anything=True):
        start(Composed(configuration(*overrides), folder, names))
    return read_state(folder).metrics
