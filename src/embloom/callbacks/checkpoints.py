"""Saves `last` and `best` at moments from which a run resumes exactly."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from embloom.assembly.parameters import choices, numbers
from embloom.callbacks.base import Callback, Training


class Checkpoints(Callback):
    """Keeps `checkpoints/last.ckpt`, the one before it, and the `best.ckpt` by a validation metric.

    After each validation and each epoch in any case.

    Args:
        every_n_steps: save after every so many optimizer steps; null for never.
        every_n_minutes: save when so many minutes have passed; null for never.
        monitor: the metric for the best, as logged (`val/loss`).
        mode: `min` or `max`.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        every_n_steps: int | None = None,
        every_n_minutes: float | None = 10,
        monitor: str = "val/loss",
        mode: str = "min",
    ) -> None:
        given = {"every_n_steps": every_n_steps, "every_n_minutes": every_n_minutes}
        numbers(above=0, **{key: value for key, value in given.items() if value is not None})
        choices(("min", "max"), mode=mode)
        self.every_n_steps, self.every_n_minutes = every_n_steps, every_n_minutes
        self.monitor, self.mode = monitor, mode
        self.best_score: float | None = None
        self.best_step = -1
        self.saved_at = time.monotonic()
        self.saved_step = -1

    def on_start(self, run: Training) -> None:
        """Starts the clock."""
        self.saved_at = time.monotonic()

    def on_save_point(self, run: Training, epoch_ended: bool, validated: bool) -> None:
        """Saves if it is time."""
        if epoch_ended or validated or self.due(run.step):
            # Before the best is chosen: what is past saving is no best.
            run.check_finite()
            run.save(best=validated and self.improved(run))
            self.saved_at, self.saved_step = time.monotonic(), run.step

    def due(self, step: int) -> bool:
        """Whether a save by steps or minutes is due."""
        if self.every_n_steps is not None and step % self.every_n_steps == 0:
            return step != self.saved_step
        return self.every_n_minutes is not None and time.monotonic() - self.saved_at >= 60 * self.every_n_minutes

    def improved(self, run: Training) -> bool:
        """Whether the monitored metric is the best so far; takes note of it."""
        score = monitored(run, self.monitor, "callbacks.checkpoints")
        better = self.best_score is None or (score < self.best_score if self.mode == "min" else score > self.best_score)
        if better:
            self.best_score, self.best_step = score, run.step
        return better

    def state(self) -> dict[str, Any]:
        """What `best` is."""
        return {"best_score": self.best_score, "best_step": self.best_step}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `state`."""
        self.best_score, self.best_step = state["best_score"], state["best_step"]


def monitored(run: Training, name: str, where: str) -> float:
    """The last value of a metric.

    Raises:
        ValueError: it is not logged.
    """
    if name not in run.metrics:
        known = ", ".join(sorted(key for key in run.metrics if key.startswith("val/")))
        raise ValueError(f"{where}.monitor={name} is not logged; available: {known}")
    return run.metrics[name]
