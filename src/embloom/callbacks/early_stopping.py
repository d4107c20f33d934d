"""Stops a training that no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from embloom.assembly.parameters import choices, integers, numbers
from embloom.callbacks.base import Callback, Training
from embloom.callbacks.checkpoints import monitored


class EarlyStopping(Callback):
    """Ends the training when a metric has not improved in so many validations (Prechelt 1998).

    Args:
        monitor: the metric, as logged (`val/loss`).
        mode: `min` or `max`.
        patience: validations without an improvement that it bears.
        min_delta: a smaller improvement is none.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    def __init__(self, monitor: str = "val/loss", mode: str = "min", patience: int = 3, min_delta: float = 0.0) -> None:
        choices(("min", "max"), mode=mode)
        integers(0, patience=patience)
        numbers(at_least=0, min_delta=min_delta)
        self.monitor, self.mode, self.patience, self.min_delta = monitor, mode, patience, min_delta
        self.best = math.inf
        self.waited = 0

    def on_validated(self, run: Training) -> None:
        """Counts."""
        value = monitored(run, self.monitor, "callbacks.early_stopping")
        value = value if self.mode == "min" else -value
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.waited >= max(1, self.patience) or not math.isfinite(value):
            run.stop()

    def state(self) -> dict[str, Any]:
        """The best so far, and how long ago."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `state`."""
        self.best, self.waited = state["best"], state["waited"]
