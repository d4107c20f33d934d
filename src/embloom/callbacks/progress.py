"""The progress bar: epoch, step, loss, examples per second and the time that is left."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from embloom.training.module import EmbeddingModule


class ProgressBar(Callback):
    """One bar over the whole training, and a line for each epoch that ends.

    Where the output is no terminal there is no bar, only the lines.

    Args:
        refresh: seconds between two drawings; the steps between do not touch the bar.
    """

    def __init__(self, refresh: float = 0.25) -> None:
        if refresh <= 0:
            raise ValueError(f"refresh={refresh}: it must be above 0")
        self.refresh = refresh
        self.console = Console()
        self.progress: Progress | None = None
        self.task = TaskID(0)
        self.drawn_at = 0.0
        self.epoch_began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the empty bar."""
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=1 / self.refresh,
            transient=True,
        )
        total = int(trainer.num_training_batches) * max(trainer.max_epochs or 1, 1)
        if trainer.max_steps > 0:
            total = min(total, trainer.max_steps * trainer.accumulate_grad_batches)
        self.task = self.progress.add_task("", total=total, epoch=trainer.current_epoch + 1, numbers="")
        self.progress.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the epoch's clock."""
        self.epoch_began = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar, a few times a second."""
        if self.progress is None:
            return
        now = time.monotonic()
        if now - self.drawn_at < self.refresh:
            return
        self.drawn_at = now
        self.progress.update(
            self.task,
            completed=trainer.fit_loop.epoch_loop.batch_progress.total.ready,
            epoch=trainer.current_epoch + 1,
            numbers=self.numbers(trainer),
        )

    def numbers(self, trainer: Trainer) -> str:
        """Loss and speed as last logged; reading the loss of this step would wait for the device."""
        module = trainer.lightning_module
        assert isinstance(module, EmbeddingModule)
        return "  ".join(f"{name} {value}" if name == "loss" else value for name, value in module.shown.items())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the epoch's line."""
        if not trainer.is_global_zero:
            return
        parts = [f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", self.numbers(trainer)]
        module = trainer.lightning_module
        assert isinstance(module, EmbeddingModule)
        shown = dict(module.validated)
        if len(module.loss.terms) == 1:  # the only term says the same as the sum
            shown.pop(module.recent_names()[1], None)
        parts += [f"val/{name} {value:.4f}" for name, value in shown.items()]
        parts.append(f"{time.monotonic() - self.epoch_began:.1f} s" if self.epoch_began else "")
        self.console.print("  ".join(p for p in parts if p), highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See `close`."""
        self.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """See `close`."""
        self.close()
