"""Runs the probes during training, on the validation split."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from embloom.probes.frozen import Probe, freeze
from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


class Probing(Callback):
    """Probes after every so many epochs; at the end they run in any case, on the test split.

    Args:
        every_n_epochs: 0 for the end only.
    """

    def __init__(self, every_n_epochs: int = 0) -> None:
        if every_n_epochs < 0:
            raise ValueError(f"every_n_epochs={every_n_epochs}: it must be at least 0")
        self.every_n_epochs = every_n_epochs
        self.probes: dict[str, Probe] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Probes now and then."""
        assert isinstance(pl_module, EmbeddingModule)
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0 and trainer.is_global_zero:
            frozen = freeze(pl_module.encoder, pl_module.dataset, of=pl_module.of, device=pl_module.device, score="val")
            values = {f"probe/{k}": v for probe in self.probes.values() for k, v in probe(frozen).items()}
            if isinstance(trainer.logger, Events):
                trainer.logger.scalars(values, trainer.global_step)
