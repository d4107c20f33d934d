"""Originals beside what the decoder makes of their embeddings, in TensorBoard and as a file."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from embloom.data.base import Split
from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


class Reconstructions(Callback):
    """Draws rows in turn: originals, what the encoder saw of them where the dataset adds noise, reconstructions.

    At the end from the test split, also as `pictures/reconstructions.png` in the run folder.

    Args:
        every_n_epochs: also draw after every so many epochs, from the validation split; 0 for the end only.
        count: how many pictures.
        columns: how many beside each other.
    """

    def __init__(self, every_n_epochs: int = 0, count: int = 32, columns: int = 16) -> None:
        for key, value, least in (("every_n_epochs", every_n_epochs, 0), ("count", count, 1), ("columns", columns, 1)):
            if value < least:
                raise ValueError(f"{key}={value}: it must be at least {least}")
        self.every_n_epochs, self.count, self.columns = every_n_epochs, count, columns

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raises:
        ValueError: there is nothing to draw.
        """
        assert isinstance(pl_module, EmbeddingModule)
        sizes: dict[str, int] = pl_module.encoder.sizes  # type: ignore[assignment]
        if "reconstruction" not in sizes or pl_module.dataset.image_shape is None:
            raise ValueError(
                "callbacks.reconstructions: the encoder reconstructs no pictures: leave it out with callbacks=[default]"
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the validation split, now and then."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self.draw(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the test split."""
        self.draw(trainer, pl_module, "test")

    def draw(self, trainer: Trainer, module: LightningModule, split: Split) -> None:
        """Writes the picture."""
        assert isinstance(module, EmbeddingModule)
        if not trainer.is_global_zero or not isinstance(trainer.logger, Events):
            return
        rows = seen_and_rebuilt(module, split, self.count)
        assert module.dataset.image_shape is not None
        picture = interleaved(rows, self.columns, module.dataset.image_shape)
        trainer.logger.experiment.add_image(f"{split}/reconstructions", picture, trainer.global_step)
        if split == "test":
            save_picture(picture, trainer.logger.folder / "pictures" / "reconstructions.png")


@torch.no_grad()
def seen_and_rebuilt(module: EmbeddingModule, split: Split, count: int) -> list[Tensor]:
    """The first pictures of a split, (count, features) each: clean, noisy where there is noise, reconstructed."""
    batch = next(iter(module.dataset.loader(split, every_rank=True)))
    batch = {name: column[:count].to(module.device) for name, column in batch.items()}
    training = module.training
    module.eval()
    # Noise is drawn in training only; the picture shows it, without changing what training draws next.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        columns = module.dataset.transform(batch, True)
    outputs = module.encode_wire(columns)
    module.train(training)
    clean, image = columns.get("clean", columns["image"]), columns["image"]
    noisy = [] if torch.equal(clean, image) else [image]
    return [rows.float().cpu().clamp(0, 1) for rows in (clean, *noisy, outputs["reconstruction"])]


def interleaved(rows: list[Tensor], columns: int, shape: tuple[int, int, int]) -> Tensor:
    """Pictures (N, features) of several kinds -> one (channels, H, W): a line of each kind in turn."""
    from torchvision.utils import make_grid

    lines = [kind[i : i + columns] for i in range(0, len(rows[0]), columns) for kind in rows]
    pictures = torch.cat(lines).reshape(-1, *shape)
    grid: Tensor = make_grid(pictures, nrow=min(columns, len(rows[0])), padding=2, pad_value=0.5)
    return grid


def save_picture(picture: Tensor, path: Path) -> None:
    """(channels, H, W), 0..1 -> a PNG file."""
    from torchvision.utils import save_image

    path.parent.mkdir(exist_ok=True)
    save_image(picture, path)
