"""What the decoder makes of a grid of points in the embedding's space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from embloom.callbacks.reconstructions import save_picture
from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


class LatentGrid(Callback):
    """Decodes a square of points: the plane of the embedding's two widest directions, through its mean.

    The points are the normal distribution's quantiles along either direction, so that the grid covers the
    embedding as evenly as the data do (Kingma and Welling 2014, figure 4). Written at the end, also as
    `pictures/latent_grid.png` in the run folder.

    Args:
        side: points along each direction.
        reach: how much of the distribution to cover, below 1.
    """

    def __init__(self, side: int = 15, reach: float = 0.98) -> None:
        if side < 2:
            raise ValueError(f"side={side}: it must be at least 2")
        if not 0 < reach < 1:
            raise ValueError(f"reach={reach}: it must be within 0 and 1")
        self.side, self.reach = side, reach

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raises:
        ValueError: the encoder has no decoder, or decodes no pictures.
        """
        assert isinstance(pl_module, EmbeddingModule)
        if not hasattr(pl_module.encoder, "decode") or pl_module.dataset.image_shape is None:
            raise ValueError("callbacks.latent_grid: the encoder decodes no pictures: leave it out")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws."""
        assert isinstance(pl_module, EmbeddingModule)
        if not trainer.is_global_zero or not isinstance(trainer.logger, Events):
            return
        from torchvision.utils import make_grid

        training = pl_module.training
        pl_module.eval()
        with torch.no_grad():
            points = grid_points(embedded(pl_module), self.side, self.reach)
            decode: Callable[[Tensor], Tensor] = pl_module.encoder.decode  # type: ignore[assignment]
            rows = decode(points).float().cpu().clamp(0, 1)
        pl_module.train(training)
        assert pl_module.dataset.image_shape is not None
        pictures = rows.reshape(-1, *pl_module.dataset.image_shape)
        picture = make_grid(pictures, nrow=self.side, padding=0)
        trainer.logger.experiment.add_image("test/latent_grid", picture, trainer.global_step)
        save_picture(picture, trainer.logger.folder / "pictures" / "latent_grid.png")


def embedded(module: EmbeddingModule) -> Tensor:
    """The embedding (N, D) of the test split."""
    loader = module.dataset.loader("test", every_rank=True)
    batches = ({name: column.to(module.device) for name, column in batch.items()} for batch in loader)
    return torch.cat([module(batch)["embedding"].float() for batch in batches])


def grid_points(embedding: Tensor, side: int, reach: float) -> Tensor:
    """(N, D) -> (side * side, D), row by row, in the plane of the first two principal components.

    A one-dimensional embedding gives `side` equal rows.
    """
    mean = embedding.mean(0)
    covariance = torch.cov(embedding.T.double()).reshape(len(mean), len(mean))
    variances, directions = torch.linalg.eigh(covariance)
    axes = (directions * variances.clamp_min(0).sqrt()).flip(1).T[:2].to(embedding)
    if len(axes) == 1:
        axes = torch.cat([axes, torch.zeros_like(axes)])
    quantiles = torch.linspace(0.5 - reach / 2, 0.5 + reach / 2, side, dtype=torch.float64)
    steps = torch.special.ndtri(quantiles).to(embedding)
    return mean + (steps.view(1, -1, 1) * axes[0] + steps.view(-1, 1, 1) * axes[1]).flatten(0, 1)
