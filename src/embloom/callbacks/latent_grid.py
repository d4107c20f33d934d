"""What the decoder makes of a grid of points in the embedding's space."""

from __future__ import annotations

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers
from embloom.callbacks.base import Callback, Training
from embloom.callbacks.images import image_shape, save_png
from embloom.data.base import encoded


class LatentGrid(Callback):
    """Decodes a square of points: the plane of the embedding's two widest directions, through its mean.

    The points are the normal distribution's quantiles along either direction, so that the grid covers the
    embedding as evenly as the data do (Kingma and Welling 2014, figure 4). Written at the end, also as
    `images/latent_grid.png` in the run folder.

    Args:
        side: points along each direction.
        reach: how much of the distribution to cover, below 1.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, side: int = 15, reach: float = 0.98) -> None:
        integers(2, side=side)
        numbers(above=0, below=1, reach=reach)
        self.side, self.reach = side, reach

    def check(self, run: Training) -> None:
        """Raises:
        ValueError: the encoder has no decoder, or decodes no images.
        """
        if not run.encoder.decodes or image_shape(run) is None:
            raise ValueError("callbacks.latent_grid: the encoder decodes no images: leave it out")

    @torch.no_grad()
    def on_tested(self, run: Training) -> None:
        """Draws."""
        if not run.first_process:
            return
        from torchvision.utils import make_grid

        embedding = encoded(run.dataset, "test", run.encode, ["embedding"], run.device)["embedding"]
        rows = run.encoder.decode(grid_points(embedding, self.side, self.reach)).float().cpu().clamp(0, 1)
        image = make_grid(rows.reshape(-1, *(image_shape(run) or ())), nrow=self.side, padding=0)
        run.log_image("test/latent_grid", image)
        save_png(image, run.folder / "images" / "latent_grid.png")


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
