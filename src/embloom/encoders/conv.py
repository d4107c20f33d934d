"""A convolutional encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embloom.assembly.parameters import choices, positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.convolutions import NORMS, POOLS, parse_channels, pooled, reduced, stack_down
from embloom.encoders.layers import ACTIVATIONS
from embloom.encoders.vae import INITIAL_LOG_VARIANCE, sampled_code


class Conv(Encoder):
    """Strided convolutions, pooled, and one linear layer to the embedding.

    Args:
        image_shape: the dataset's (channels, height, width).
        channels: of each convolution, `16-32-64`; each halves height and width.
        embedding: its width.
        activation: one of `ACTIVATIONS`, after each convolution.
        norm: `none` or `batch`, before each activation (Ioffe and Szegedy 2015).
        code_activation: one of `ACTIVATIONS`, on the embedding; `hardtanh` cuts its numbers off at -1 and 1, and with
            them what no loss asks for.
        pool: `average` or `max` over places, which forgets where things are, or `none`.
        variational: in training, `embedding` is a sample of N(mean, exp(log_variance)), with one learned variance
            for each of its numbers; otherwise it is the mean. With `loss=[...,kl]` this is the variational
            information bottleneck (Alemi et al. 2017): what no loss asks for costs, and goes.

    Raises:
        ValueError: an option is unknown, or the images do not fit the convolutions.
    """

    def __init__(
        self,
        image_shape: Sequence[int] | None,
        channels: str | int | Sequence[int] = "16-32-64",
        embedding: int = 16,
        activation: str = "relu",
        norm: str = "batch",
        code_activation: str = "identity",
        pool: str = "average",
        variational: bool = False,
    ) -> None:
        super().__init__()
        choices(ACTIVATIONS, activation=activation, code_activation=code_activation)
        choices(NORMS, norm=norm)
        choices(POOLS, pool=pool)
        positive_integers(embedding=embedding)
        widths = parse_channels(channels)
        planes, side, _ = reduced(image_shape, len(widths))
        assert image_shape is not None
        self.image_shape = tuple(image_shape)
        self.pool, self.code_activation = pool, ACTIVATIONS[code_activation]()
        self.convolutions = stack_down([planes, *widths], activation, norm)
        hidden = widths[-1] * (side * side if pool == "none" else 1)
        self.linear = nn.Linear(hidden, embedding)
        self.sizes = {"hidden": hidden, "embedding": embedding}
        self.log_variance = nn.Parameter(torch.full((embedding,), INITIAL_LOG_VARIANCE)) if variational else None
        if variational:
            self.sizes |= {"mean": embedding, "log_variance": embedding}

    def activations(self) -> list[str]:
        """The pooled convolutions and the embedding."""
        return ["hidden", "embedding"]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Image (B, features) -> `hidden` (B, pooled features) and `embedding` (B, D); `mean` and `log_variance`
        (B, D) too where it is variational."""
        hidden = pooled(self.convolutions(image.unflatten(1, self.image_shape)), self.pool)
        mean = self.linear(hidden)
        if self.log_variance is None:
            return {"hidden": hidden, "embedding": self.code_activation(mean)}
        log_variance = self.log_variance.expand_as(mean)
        embedding = self.code_activation(sampled_code(mean, log_variance) if self.training else mean)
        return {"hidden": hidden, "embedding": embedding, "mean": mean, "log_variance": log_variance}
