"""Loss weights that change: warm-up of a term, and a look at those that are learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


class LossWeights(Callback):
    """Raises the weights of some terms over the first part of the training (Bowman et al. 2016, section 3.1).

    Each step's weight is a function of the step alone, so a resumed run has the same. Validation and test always
    use the full weights, so that their losses can be compared and the best one be chosen. `train/weight_<term>`
    shows the weights, learned ones too.

    Args:
        warmup: term -> part of the training, within 0 and 1, over which its weight rises.
    """

    def __init__(self, warmup: Mapping[str, float] | None = None) -> None:
        self.warmup = dict(warmup or {})
        for name, part in self.warmup.items():
            if isinstance(part, bool) or not isinstance(part, (int, float)) or not 0 <= part <= 1:
                raise ValueError(f"warmup.{name}={part}: it must be a part of the training, within 0 and 1")
        self.full: dict[str, float] = {}
        self.steps = 1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Notes the full weights.

        Raises:
            ValueError: there is no such term, or its weight is learned.
        """
        assert isinstance(pl_module, EmbeddingModule)
        weights = pl_module.loss.weights
        for name in self.warmup:
            if name not in weights:
                there = ", ".join(pl_module.loss.terms)
                raise ValueError(f"callbacks.loss_weights.warmup.{name}: no such fixed weight; terms are: {there}")
        # Before the test, the weights may be those of a warm-up that did not end.
        self.full = self.full or dict(weights)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the training's steps."""
        assert isinstance(pl_module, EmbeddingModule)
        self.steps = pl_module.total_steps()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Sets the step's weights."""
        assert isinstance(pl_module, EmbeddingModule)
        if self.warmup:
            progress = (trainer.global_step + 1) / self.steps
            for name, part in self.warmup.items():
                pl_module.loss.weights[name] = self.full[name] * (min(1.0, progress / part) if part else 1.0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes them when it is time to log."""
        assert isinstance(pl_module, EmbeddingModule)
        due = trainer.global_step % trainer.log_every_n_steps == 0  # type: ignore[attr-defined]
        if due and isinstance(trainer.logger, Events):
            values = {f"train/weight_{k}": float(w) for k, w in pl_module.loss.factors().items()}
            trainer.logger.scalars(values, trainer.global_step)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Back to the full weights."""
        assert isinstance(pl_module, EmbeddingModule)
        pl_module.loss.weights.update(self.full)

    on_test_start = on_validation_start
