"""Runs the probes during training, on the validation split."""

from __future__ import annotations

from embloom.assembly.parameters import integers
from embloom.callbacks.base import Callback, Training
from embloom.probes.base import freeze
from embloom.probes.run import measured


class Probing(Callback):
    """Probes after every so many epochs; at the end they run in any case, on the test split.

    Args:
        every_n_epochs: 0 for the end only.

    Raises:
        ValueError: it is negative.
    """

    def __init__(self, every_n_epochs: int = 0) -> None:
        integers(0, every_n_epochs=every_n_epochs)
        self.every_n_epochs = every_n_epochs

    def on_validated(self, run: Training) -> None:
        """Probes now and then; a probe that fails is told at the end."""
        if self.every_n_epochs and (run.epoch + 1) % self.every_n_epochs == 0 and run.first_process:
            frozen = freeze(run.encode, run.encoder, run.dataset, device=run.device, score="val")
            run.probed = measured(run.probes, frozen).values
            run.log(run.probed)
