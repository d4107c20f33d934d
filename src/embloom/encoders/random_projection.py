"""A random projection: the baseline that has learned nothing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import integers
from embloom.encoders.base import Encoder


class RandomProjection(Encoder):
    """Projects onto random orthonormal directions, which nearly keeps distances (Johnson and Lindenstrauss 1984).

    The run's seed decides them.

    Args:
        sizes: the dataset's.
        embedding: how many directions.

    Raises:
        ValueError: there are fewer features than directions.
    """

    directions: Tensor

    def __init__(self, sizes: Mapping[str, int], embedding: int = 64) -> None:
        super().__init__()
        features = sizes["features"]
        integers(1, embedding=embedding)
        if embedding > features:
            raise ValueError(f"embedding={embedding}: there are only {features} features")
        self.register_buffer("directions", torch.linalg.qr(torch.randn(features, embedding)).Q.T.contiguous())
        self.sizes = {"embedding": embedding, "reconstruction": features}

    def activations(self) -> list[str]:
        """The code."""
        return ["embedding"]

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features (B, F) -> `embedding` (B, D) and `reconstruction` (B, F)."""
        embedding = features @ self.directions.T
        return {"embedding": embedding, "reconstruction": self.decode(embedding)}

    def decode(self, embedding: Tensor) -> Tensor:
        """The nearest point of their span: (B, D) -> (B, features)."""
        return embedding @ self.directions
