"""What the encoder gets to see: the first pictures of the training split, as training transforms them."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from embloom.callbacks.reconstructions import interleaved, save_picture
from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


class Samples(Callback):
    """Draws some pictures at the start, as `train/samples` and as `pictures/samples.png` in the run folder.

    Args:
        count: how many.
        columns: how many beside each other.

    Raises:
        ValueError: a number is below 1.
    """

    def __init__(self, count: int = 48, columns: int = 12) -> None:
        for key, value in (("count", count), ("columns", columns)):
            if value < 1:
                raise ValueError(f"{key}={value}: it must be at least 1")
        self.count, self.columns = count, columns

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws; noise is drawn as in training, without changing what training draws."""
        assert isinstance(pl_module, EmbeddingModule)
        dataset = pl_module.dataset
        if not trainer.is_global_zero or not isinstance(trainer.logger, Events) or dataset.image_shape is None:
            return
        batch = {name: column[: self.count].cpu() for name, column in dataset.columns["train"].items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            images = dataset.transform(batch, True)["image"]
        picture = interleaved([images.float().clamp(0, 1)], self.columns, dataset.image_shape)
        trainer.logger.experiment.add_image("train/samples", picture, trainer.global_step)
        save_picture(picture, trainer.logger.folder / "pictures" / "samples.png")
