"""A run under way, as callbacks see it: Lightning's trainer and the module behind one small interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from embloom.callbacks.base import Training
from embloom.data.base import Batch, Phase, Split, to_device
from embloom.files.checkpoint import BEST, link, replace_last
from embloom.probes.base import Probe
from embloom.training.loggers.board import Board
from embloom.training.module import EmbeddingModule

LOG_EVERY = 50  # steps


class LightningTraining(Training):
    """See `Training`.

    Args:
        module: the one module.
        probes: by name.
        board: the loggers.
        folder: the run folder.

    Attributes:
        trainer: set once it is made; it is made with callbacks that need this.
        position: epochs and batches done, at the last save point.
        saved_step: the step of the last checkpoint.
        data: the dataset's fingerprint, once it is read.
        log_every: steps between two logs; None is each step of a short epoch, else `LOG_EVERY`.
        said: what other runs of a sweep have said, which is not repeated.
    """

    trainer: Trainer

    def __init__(self, module: EmbeddingModule, probes: Mapping[str, Probe], board: Board, folder: Path) -> None:
        self.module, self.board, self.folder = module, board, folder
        self.dataset, self.encoder, self.loss = module.dataset, module.encoder, module.loss
        self.probes, self.encode = dict(probes), module.encode
        self.metrics, self.probed, self.shown = module.metrics, {}, {}
        self.stop_signal = None
        self.position = (0, 0)
        self.saved_step = -1
        self.data: dict[str, Any] = {}
        self.log_every: int | None = None
        self.said: set[str] = set()

    @property
    def step(self) -> int:
        """See `Training`, as for the others."""
        return self.trainer.global_step

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.module.total_steps()

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0."""
        return self.trainer.current_epoch

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.trainer.max_epochs or 1

    @property
    def batches_done(self) -> int:
        """Batches done since the beginning."""
        return self.trainer.fit_loop.epoch_loop.batch_progress.total.ready

    @property
    def batches(self) -> int:
        """Batches in all."""
        total = int(self.trainer.num_training_batches) * self.epochs
        limit = self.trainer.max_steps * self.trainer.accumulate_grad_batches
        return min(total, limit) if limit > 0 else total

    @property
    def time_to_log(self) -> bool:
        """Whether this step is one of those that are logged."""
        trainer: Any = self.trainer
        few = trainer.num_training_batches < LOG_EVERY * trainer.accumulate_grad_batches
        every = self.log_every or (1 if few else LOG_EVERY)
        return trainer.global_step % every == 0 and not trainer.fit_loop._should_accumulate()

    @property
    def first_process(self) -> bool:
        """Whether this process is the one that writes."""
        return self.trainer.is_global_zero

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.trainer.world_size

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.trainer.strategy.root_device

    @property
    def learning_rate(self) -> float:
        """Of the optimizer's first group."""
        return self.trainer.optimizers[0].param_groups[0]["lr"]

    @torch.no_grad()
    def tensors(self, batch: Mapping[str, Tensor], phase: Phase) -> Batch:
        """Columns and layers of a batch."""
        training = self.module.training
        self.module.eval()
        try:
            columns = self.dataset.seen(to_device(batch, self.device), phase)
            return {**columns, **self.encode(columns)}
        finally:
            self.module.train(training)

    def batches_of(self, split: Split) -> Iterator[Batch]:
        """The raw batches of a split."""
        return (to_device(batch, self.device) for batch in self.dataset.loader(split, every_rank=True))

    def recent_losses(self) -> dict[str, float]:
        """Means since this was last asked."""
        return self.module.take_recent()

    def epoch_loss(self) -> float:
        """Mean over this epoch."""
        return self.module.epoch_loss()

    def check_finite(self) -> None:
        """Raises where training is past saving."""
        self.module.check_finite()

    def say(self, text: str) -> None:
        """A line on the terminal."""
        if self.first_process and text not in self.said:
            self.said.add(text)
            print(text, flush=True)

    def log(self, values: Mapping[str, float]) -> None:
        """Numbers."""
        self.board.scalars(values, self.step)

    def log_image(self, tag: str, image: Tensor) -> None:
        """An image."""
        self.board.image(tag, image, self.step)

    def log_figure(self, tag: str, figure: Any) -> None:
        """A figure."""
        self.board.figure(tag, figure, self.step)

    def save(self, best: bool = False) -> None:
        """Writes the checkpoint of this moment."""
        folder = self.folder / "checkpoints"
        fresh = folder / "next.ckpt"
        self.trainer.save_checkpoint(fresh)
        if self.first_process:
            if best:
                link(fresh, folder / BEST)
            replace_last(folder, fresh)
        self.trainer.strategy.barrier("checkpoint")
        self.saved_step = self.step

    def stop(self) -> None:
        """Ends the training after this epoch."""
        self.trainer.should_stop = True
