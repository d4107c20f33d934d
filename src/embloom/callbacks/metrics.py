"""Writes losses, learning rate and speed to TensorBoard, under tags that are the same for every run."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


class Metrics(Callback):
    """Every `trainer.log_every_n_steps` steps the mean of each loss since the last time; metrics of a split as
    they come.

    This is also where a loss that is NaN or infinite is found: the steps themselves never wait for the device.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.since = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation does not count as time spent on examples."""
        self.samples, self.since = 0, time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes what the module reported of the split."""
        self.write_split(trainer, "val")
        self.samples, self.since = 0, time.monotonic()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Likewise for the test split."""
        self.write_split(trainer, "test")

    def write_split(self, trainer: Trainer, split: str) -> None:
        """The metrics of one split, at the current step."""
        values = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(f"{split}/")}
        if isinstance(trainer.logger, Events) and not trainer.sanity_checking:
            trainer.logger.scalars(values, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts, and logs when it is time."""
        self.samples += len(next(iter(batch.values())))
        step = trainer.global_step
        if step % trainer.log_every_n_steps == 0 and not trainer.fit_loop._should_accumulate():  # type: ignore[attr-defined]
            assert isinstance(pl_module, EmbeddingModule)
            self.write(trainer, pl_module, step)

    def write(self, trainer: Trainer, module: EmbeddingModule, step: int) -> None:
        """Writes the means and begins anew."""
        module.check_finite()
        means = torch.stack(module.recent).double().mean(0).tolist()
        module.recent.clear()
        values = {f"train/{name}": mean for name, mean in zip(module.recent_names(), means, strict=True)}
        now = time.monotonic()
        speed = self.samples * trainer.world_size / max(now - self.since, 1e-9)
        self.samples, self.since = 0, now
        values["train/learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        values["train/examples_per_second"] = speed
        module.shown = {"loss": f"{means[0]:.4f}", "speed": f"{speed:,.0f} examples/s"}
        if isinstance(trainer.logger, Events):
            trainer.logger.scalars(values, step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A NaN between the last log and the end of the epoch."""
        assert isinstance(pl_module, EmbeddingModule)
        pl_module.check_finite()
