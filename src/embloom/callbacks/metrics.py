"""Writes losses, learning rate and speed to TensorBoard, under tags that are the same for every run."""

from __future__ import annotations

import time
from collections.abc import Mapping

from torch import Tensor

from embloom.callbacks.base import Callback, Training


class Metrics(Callback):
    """Every `trainer.log_every_n_steps` steps the mean of each loss since the last time; metrics of a split as
    they come.

    This is also where a loss that is NaN or infinite is found: the steps themselves never wait for the device.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.since = time.monotonic()

    def on_epoch_start(self, run: Training) -> None:
        """Validation does not count as time spent on examples."""
        self.samples, self.since = 0, time.monotonic()

    def on_validated(self, run: Training) -> None:
        """Writes the figures of the split."""
        run.log({name: value for name, value in run.metrics.items() if name.startswith("val/")})
        self.samples, self.since = 0, time.monotonic()

    def on_tested(self, run: Training) -> None:
        """Likewise for the test split."""
        run.log({name: value for name, value in run.metrics.items() if name.startswith("test/")})

    def on_batch_end(self, run: Training, batch: Mapping[str, Tensor]) -> None:
        """Counts, and logs when it is time."""
        self.samples += len(next(iter(batch.values())))
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
        """A NaN between the last log and the end of the epoch."""
        run.check_finite()
