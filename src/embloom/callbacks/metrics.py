"""Writes losses, learning rate and speed to TensorBoard, under tags that are the same for every run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from embloom.callbacks.base import Callback, Training


class Metrics(Callback):
    """Every `trainer.log_every_n_steps` steps the mean of each loss since the last time; metrics of a split as
    they come.

    This is also where a loss that is NaN or infinite is found: the steps themselves never wait for the device.

    Attributes:
        best: epoch (from 1) and `val/loss` of the best validation; None before the first.
        last: `val/loss` and `train/loss` of the last epoch.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.since = time.monotonic()
        self.in_epoch, self.seconds, self.began = 0, 0.0, self.since
        self.best: tuple[int, float] | None = None
        self.last: tuple[float, float] | None = None

    def on_epoch_start(self, run: Training) -> None:
        """Validation does not count as time spent on examples."""
        self.samples, self.since = 0, time.monotonic()
        self.in_epoch, self.seconds, self.began = 0, 0.0, time.monotonic()

    def on_validation_start(self, run: Training) -> None:
        """See `on_epoch_start`."""
        self.seconds += time.monotonic() - self.began

    def on_validated(self, run: Training) -> None:
        """Writes the figures of the split."""
        run.log({name: value for name, value in run.metrics.items() if name.startswith("val/")})
        self.samples, self.since, self.began = 0, time.monotonic(), time.monotonic()

    def on_tested(self, run: Training) -> None:
        """Likewise for the test split."""
        run.log({name: value for name, value in run.metrics.items() if name.startswith("test/")})

    def on_batch_end(self, run: Training, batch: Mapping[str, Tensor]) -> None:
        """Counts, and logs when it is time."""
        count = len(next(iter(batch.values())))
        self.samples += count
        self.in_epoch += count
        if run.time_to_log:
            run.check_finite()
            means = run.recent_losses()
            now = time.monotonic()
            speed = self.samples * run.processes / max(now - self.since, 1e-9)
            self.samples, self.since = 0, now
            run.shown = {"loss": f"{means['loss']:.4f}", "speed": f"{speed:,.0f} examples/s"}
            run.log(
                {
                    **{f"train/{name}": mean for name, mean in means.items()},
                    "train/learning_rate": run.learning_rate,
                    "train/examples_per_second": speed,
                }
            )

    def on_epoch_end(self, run: Training) -> None:
        """A NaN between the last log and the end of the epoch; else the figures of the whole epoch."""
        run.check_finite()
        loss = run.epoch_loss()
        seconds = self.seconds or time.monotonic() - self.began
        speed = self.in_epoch * run.processes / max(seconds, 1e-9)
        run.shown = {"loss": f"{loss:.4f}", "speed": f"{speed:,.0f} examples/s"}
        if (found := run.metrics.get("val/loss")) is not None:
            self.last = (found, loss)
            if self.best is None or found < self.best[1]:
                self.best = (run.epoch + 1, found)

    def state(self) -> dict[str, Any]:
        """What the validations said."""
        return {"best": self.best, "last": self.last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `state`."""
        self.best, self.last = state["best"], state["last"]
