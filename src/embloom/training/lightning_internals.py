"""Everything that leans on how Lightning works inside; what breaks with another version of it breaks here, and
`tests/training/test_lightning_internals.py` says what.

Lightning calls every hook of every callback, overridden or not, inside a profiling context of its own; with seven
callbacks that took a quarter of a millisecond a step, as much as a small layer's work. So embloom's callbacks stand
behind one of Lightning's, with the hooks that somebody needs.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.profilers import PassThroughProfiler

from embloom.callbacks.base import Callback
from embloom.files.atomic import write_whole
from embloom.files.checkpoint import FORMAT_VERSION, read_checkpoint
from embloom.training.stop_signals import StoppedError, StopRequest, handled
from embloom.training.view import LightningTraining

NOTHING = nullcontext()
SILENCED = (
    ".*does not have many workers.*",
    ".*is smaller than the logging interval.*",
    ".*Checkpoint directory.*",
    ".*LeafSpec.*",
    ".*in eval mode at the start of training.*",  # a frozen model means to be
    ".*treespec.*",
    ".*GPU available but not used.*",
)


class NoProfiler(PassThroughProfiler):
    """Hands out one context that does nothing, instead of a new one each time."""

    def profile(self, action_name: str) -> Any:
        """See `NOTHING`."""
        return NOTHING

    def start(self, action_name: str) -> None:
        """Nothing."""

    def stop(self, action_name: str) -> None:
        """Nothing."""


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's door to checkpoint files."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Writes beside `path`, to the disk, and only then takes its name."""
        try:
            write_whole(Path(path), lambda temporary: torch.save(checkpoint, temporary))
        except RuntimeError as error:
            # Closing its archive after a failed write, torch hides why the write failed.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """See `read_checkpoint`; `weights_only` is always on."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Deletes a file."""
        Path(path).unlink(missing_ok=True)


class Moments(Checkpoint):
    """Lightning's hooks, passed on to embloom's callbacks as the moments of `Callback`.

    A checkpoint falls between two batches and never between a batch and its validation, so one rule says where to go
    on: `epoch` epochs and `batch` batches are done.

    Args:
        callbacks: by name, in the order in which they are called.
        run: what they see.
    """

    def __init__(self, callbacks: Mapping[str, Callback], run: LightningTraining) -> None:
        self.callbacks, self.run = dict(callbacks), run
        self.request = StopRequest()
        self.signals = ExitStack()
        self.validated_at = -1
        self.checked = False
        if any(overrides(c, "on_batch_start") for c in callbacks.values()):
            self.on_train_batch_start = self.batch_start  # type: ignore[method-assign]
        if any(overrides(c, "on_backward") for c in callbacks.values()):
            run.module.on_terms = lambda terms: self.call("on_backward", terms)
        self.batch_hooks, self.save_hooks = self.hooks("on_batch_end"), self.hooks("on_save_point")

    def hooks(self, moment: str) -> list[Callable[..., None]]:
        """What is to be called at a moment."""
        return [getattr(c, moment) for c in self.callbacks.values() if overrides(c, moment)]

    def call(self, moment: str, *arguments: Any) -> None:
        """Calls those callbacks that do something at a moment."""
        for hook in self.hooks(moment):
            hook(self.run, *arguments)

    # -- moments

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Checks the callbacks against the run, once."""
        if not self.checked:
            self.checked = True
            self.call("check")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signals over, after Lightning has."""
        self.signals.enter_context(handled(self.request.handle))
        self.call("on_start")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch begins."""
        self.call("on_epoch_start")

    def batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Before each batch."""
        self.call("on_batch_start")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A save point, unless validation or the end of the epoch comes first and is one."""
        for hook in self.batch_hooks:
            hook(self.run, batch)
        self.note_stop(trainer)
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate() or loop._num_ready_batches_reached():
            return
        assert trainer.fit_loop._data_fetcher is not None
        if not loop._should_check_val_fx(trainer.fit_loop._data_fetcher):
            self.save_point((trainer.current_epoch, batch_idx + 1))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before a validation."""
        self.call("on_validation_start")

    on_test_start = on_validation_start

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After a validation; inside an epoch, a save point."""
        self.validated_at = trainer.global_step
        self.call("on_validated")
        loop = trainer.fit_loop.epoch_loop
        if trainer.state.fn == "fit" and not loop._num_ready_batches_reached():
            self.save_point((trainer.current_epoch, loop.batch_idx + 1))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After an epoch and its validation: a save point."""
        self.call("on_epoch_end")
        if trainer.fit_loop.epoch_loop._num_ready_batches_reached():
            self.save_point((trainer.current_epoch + 1, 0))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the test."""
        self.call("on_tested")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training has ended."""
        self.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Or was ended."""
        self.close()

    def close(self) -> None:
        """Puts back the signals that were there before."""
        self.signals.close()
        for callback in self.callbacks.values():
            callback.close()

    # -- checkpoints

    def note_stop(self, trainer: Trainer) -> None:
        """Whether a signal has come; all processes together."""
        stop = self.request.signum
        if trainer.world_size > 1:
            numbers = trainer.strategy.reduce(torch.tensor(stop or 0, device=self.run.device), reduce_op="max")
            stop = int(numbers) or None
        self.run.stop_signal = stop

    def save_point(self, position: tuple[int, int]) -> None:
        """Lets callbacks save; where a signal has come, saves in any case and stops."""
        run = self.run
        run.position = position
        validated = self.validated_at == run.step
        for hook in self.save_hooks:
            hook(run, position[1] == 0, validated)
        if run.stop_signal is not None:
            if run.saved_step != run.step:
                run.save()
            raise StoppedError(run.stop_signal)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Adds the position, the data and the events, and puts Lightning's counters into a plain form."""
        epoch, batch = self.run.position
        checkpoint["embloom_format"] = FORMAT_VERSION
        checkpoint["position"] = {"epoch": epoch, "batch": batch}
        checkpoint["stopped_early"] = bool(trainer.should_stop) and self.run.stop_signal is None
        checkpoint["events"] = self.run.board.position()
        checkpoint["data"] = self.run.data
        batches = int(trainer.num_training_batches)
        set_counters(checkpoint["loops"]["fit_loop"], epoch, batch, batches, checkpoint["global_step"])

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """A run that early stopping had ended stays ended."""
        trainer.should_stop = checkpoint["stopped_early"]

    @property
    def state_key(self) -> str:
        """What its state is called in a checkpoint, whatever the class is called."""
        return "embloom"

    def state_dict(self) -> dict[str, Any]:
        """The callbacks' states."""
        return {name: callback.state() for name, callback in self.callbacks.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores those that are here now: a resume may choose others."""
        for name, callback in self.callbacks.items():
            if state_dict.get(name):
                callback.restore(state_dict[name])


def overrides(callback: Callback, moment: str) -> bool:
    """Whether a callback does something at a moment."""
    return getattr(type(callback), moment) is not getattr(Callback, moment)


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


def quiet_lightning() -> None:
    """Silences what Lightning says at every start; embloom says what matters itself."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in SILENCED:
        warnings.filterwarnings("ignore", message=message)
