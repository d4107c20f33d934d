"""The progress bar: epoch, step, loss, examples per second and the time that is left."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from embloom.assembly.parameters import numbers
from embloom.callbacks.base import Callback, Training


class ProgressBar(Callback):
    """One bar over the whole training, and a line for each epoch that ends.

    Where the output is no terminal there is no bar, only the lines.

    Args:
        refresh: seconds between two drawings; the steps between do not touch the bar.
    """

    def __init__(self, refresh: float = 0.25) -> None:
        numbers(above=0, refresh=refresh)
        self.refresh = refresh
        # In a notebook plain lines, which stay when it is saved.
        self.console = Console(force_jupyter=False)
        self.progress: Progress | None = None
        self.task = TaskID(0)
        self.drawn_at = 0.0
        self.epoch_began = 0.0

    def on_start(self, run: Training) -> None:
        """Draws the empty bar."""
        if not run.first_process or not self.console.is_terminal:
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
        self.task = self.progress.add_task("", total=run.batches, epoch=run.epoch + 1, numbers="")
        self.progress.start()

    def on_epoch_start(self, run: Training) -> None:
        """Starts the epoch's clock."""
        self.epoch_began = time.monotonic()

    def on_batch_end(self, run: Training, batch: object) -> None:
        """Moves the bar, a few times a second."""
        if self.progress is None:
            return
        now = time.monotonic()
        if now - self.drawn_at < self.refresh:
            return
        self.drawn_at = now
        self.progress.update(self.task, completed=run.batches_done, epoch=run.epoch + 1, numbers=numbers_of(run))

    def on_epoch_end(self, run: Training) -> None:
        """Prints the epoch's line."""
        if not run.first_process:
            return
        parts = [f"epoch {run.epoch + 1}/{run.epochs}", numbers_of(run)]
        shown = {name: value for name, value in run.metrics.items() if name.startswith("val/")}
        if len(run.loss.terms) == 1:  # the only term says the same as the sum
            shown.pop(f"val/loss_{next(iter(run.loss.terms))}", None)
        parts += [f"{name} {value:.4f}" for name, value in shown.items()]
        parts.append(f"{time.monotonic() - self.epoch_began:.1f} s" if self.epoch_began else "")
        self.console.print("  ".join(p for p in parts if p), highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


def numbers_of(run: Training) -> str:
    """Loss and speed as last logged; reading the loss of this step would wait for the device."""
    return "  ".join(f"{name} {value}" if name == "loss" else value for name, value in run.shown.items())
