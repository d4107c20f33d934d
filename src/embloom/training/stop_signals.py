"""Ctrl-C and SIGTERM: finish the step, save, and stop."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from embloom.callbacks.checkpoints import Checkpoints, StoppedError


class StopSignals(Callback):
    """Stops after the step that is under way, or after the validation if one is next.

    A second signal stops at once, without saving; what was saved before is still there to resume from.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signals over, after Lightning has."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            self.before[signum] = signal.signal(signum, self.handle)

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Takes note; a second time, stops at once."""
        if self.received is not None:
            raise StoppedError(signum)
        self.received = signum
        print("\nstopping after this step; once more to stop at once without saving", flush=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Has the checkpoint callback, which comes after this one, save and stop; all processes together."""
        stop = self.received is not None
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            for callback in trainer.checkpoint_callbacks:
                if isinstance(callback, Checkpoints):
                    callback.stop_signal = self.received or signal.SIGTERM

    def give_back(self) -> None:
        """Puts the handlers back that were there before."""
        for signum, handler in self.before.items():
            signal.signal(signum, handler)
        self.before.clear()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See `give_back`."""
        self.give_back()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """See `give_back`."""
        self.give_back()
