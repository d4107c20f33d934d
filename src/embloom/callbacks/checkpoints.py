"""Saves `last` and `best` at moments from which a run resumes exactly."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from embloom.files.checkpoint import BEST, FORMAT_VERSION, link, replace_last
from embloom.training.tensorboard import Events


class StoppedError(Exception):
    """The run was told to stop by a signal."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"stopped by {signal.Signals(signum).name}")


class Checkpoints(Checkpoint):
    """Keeps `checkpoints/last.ckpt`, the one before it, and the `best.ckpt` by a validation metric.

    A checkpoint falls between two batches and never between a batch and its validation, so one rule says
    where to go on: `epoch` epochs and `batch` batches are done.

    Args:
        every_n_steps: save after every so many optimizer steps; null for never.
        every_n_minutes: save when so many minutes have passed; null for never.
        monitor: the metric for the best, as logged (`val/loss`).
        mode: `min` or `max`.
    """

    def __init__(
        self,
        every_n_steps: int | None = None,
        every_n_minutes: float | None = 10,
        monitor: str = "val/loss",
        mode: str = "min",
    ) -> None:
        for key, value in (("every_n_steps", every_n_steps), ("every_n_minutes", every_n_minutes)):
            if value is not None and value <= 0:
                raise ValueError(f"{key}={value}: it must be above 0, or null for never")
        if mode not in ("min", "max"):
            raise ValueError(f"mode={mode}: it must be min or max")
        self.every_n_steps, self.every_n_minutes = every_n_steps, every_n_minutes
        self.monitor, self.mode = monitor, mode
        self.best_score: float | None = None
        self.best_step = -1
        self.position = (0, 0)
        self.saved_at = time.monotonic()
        self.saved_step = -1
        self.stop_signal: int | None = None

    # -- moments

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self.saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves if it is time, unless validation or the end of the epoch comes first and saves then."""
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate() or loop._num_ready_batches_reached():
            return
        assert trainer.fit_loop._data_fetcher is not None
        if loop._should_check_val_fx(trainer.fit_loop._data_fetcher):
            return
        if self.due(trainer.global_step) or self.stop_signal is not None:
            self.save(trainer, (trainer.current_epoch, batch_idx + 1))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves after a validation inside an epoch."""
        loop = trainer.fit_loop.epoch_loop
        if trainer.state.fn == "fit" and not trainer.sanity_checking and not loop._num_ready_batches_reached():
            self.save(trainer, (trainer.current_epoch, loop.batch_idx + 1), self.improved(trainer))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves after an epoch and its validation."""
        loop = trainer.fit_loop.epoch_loop
        if loop._num_ready_batches_reached():
            self.save(trainer, (trainer.current_epoch + 1, 0), self.improved(trainer))

    def due(self, step: int) -> bool:
        """Whether a save by steps or minutes is due."""
        if self.every_n_steps is not None and step % self.every_n_steps == 0:
            return step != self.saved_step
        return self.every_n_minutes is not None and time.monotonic() - self.saved_at >= 60 * self.every_n_minutes

    def improved(self, trainer: Trainer) -> bool:
        """Whether the monitored metric is the best so far; takes note of it."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            if trainer.enable_validation and trainer.callback_metrics:
                known = ", ".join(sorted(trainer.callback_metrics))
                raise ValueError(f"callbacks.checkpoints.monitor={self.monitor} is not logged; there is: {known}")
            return False
        score = float(value)
        better = self.best_score is None or (score < self.best_score if self.mode == "min" else score > self.best_score)
        if better:
            self.best_score, self.best_step = score, trainer.global_step
        return better

    # -- files

    def save(self, trainer: Trainer, position: tuple[int, int], best: bool = False) -> None:
        """Writes the checkpoint of this moment as `last`, and as `best` too."""
        from embloom.training.module import EmbeddingModule

        assert isinstance(trainer.lightning_module, EmbeddingModule)
        trainer.lightning_module.check_finite()
        self.position = position
        folder = Path(trainer.default_root_dir) / "checkpoints"
        fresh = folder / "next.ckpt"
        trainer.save_checkpoint(fresh)
        if trainer.is_global_zero:
            if best:
                link(fresh, folder / BEST)
            replace_last(folder, fresh)
        trainer.strategy.barrier("checkpoint")
        self.saved_at, self.saved_step = time.monotonic(), trainer.global_step
        if self.stop_signal is not None:
            raise StoppedError(self.stop_signal)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Puts the position and the events into the checkpoint, and Lightning's counters into a plain form."""
        epoch, batch = self.position
        checkpoint["embloom_format"] = FORMAT_VERSION
        checkpoint["position"] = {"epoch": epoch, "batch": batch}
        checkpoint["stopped_early"] = bool(trainer.should_stop) and self.stop_signal is None
        checkpoint["events"] = trainer.logger.position() if isinstance(trainer.logger, Events) else {}
        batches = int(trainer.num_training_batches)
        set_counters(checkpoint["loops"]["fit_loop"], epoch, batch, batches, checkpoint["global_step"])

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """A run that early stopping had ended stays ended."""
        trainer.should_stop = checkpoint["stopped_early"]

    def state_dict(self) -> dict[str, Any]:
        """What `best` is."""
        return {"best_score": self.best_score, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `state_dict`."""
        self.best_score, self.best_step = state_dict["best_score"], state_dict["best_step"]


def set_counters(loops: dict[str, Any], epoch: int, batch: int, batches: int, step: int) -> None:
    """Sets Lightning's progress so that it goes on after `batch` batches of epoch `epoch`.

    Lightning infers from small differences between four counters in which hook a checkpoint was saved, and
    repeats or skips work accordingly. These values always say the same: inside an epoch, a batch has just
    ended; between epochs, nothing is under way.
    """
    inside = int(batch > 0)
    done = epoch * batches + batch
    loops["epoch_progress"] = {
        scope: {"ready": epoch + inside, "started": epoch + inside, "processed": epoch, "completed": epoch}
        for scope in ("total", "current")
    }
    progress = loops["epoch_loop.batch_progress"]
    for scope, count in (("total", done), ("current", batch)):
        progress[scope] = {"ready": count, "started": count, "processed": count, "completed": count - inside}
    progress["is_last_batch"] = False
    loops["epoch_loop.state_dict"]["_batches_that_stepped"] = step - inside
    loops["state_dict"]["combined_loader"] = [{"batch": batch}]
    steps = loops["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]
    steps["total"] = {"ready": step, "completed": step}
