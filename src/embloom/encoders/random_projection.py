"""A random projection: the baseline that has learned nothing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from embloom.encoders.mlp import features_of


class RandomProjection(nn.Module):
    """Projects onto random orthonormal directions, which nearly keeps distances (Johnson and Lindenstrauss 1984).

    The run's seed draws them.

    Args:
        sizes: the dataset's.
        embedding: how many directions.

    Raises:
        ValueError: there are fewer features than directions.
    """

    directions: Tensor

    def __init__(self, sizes: Mapping[str, int], embedding: int = 64) -> None:
        super().__init__()
        features = features_of(sizes)
        if not isinstance(embedding, int) or not 1 <= embedding <= features:
            raise ValueError(f"encoder.embedding={embedding}: it must be a whole number within 1 and {features}")
        self.register_buffer("directions", torch.linalg.qr(torch.randn(features, embedding)).Q.T.contiguous())
        self.sizes = {"embedding": embedding, "reconstruction": features}

    def embedding_layers(self) -> dict[str, Tensor | None]:
        """The layers that the artifact keeps."""
        return {"embedding": None}

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Image (B, features) -> `embedding` (B, D) and `reconstruction` (B, features)."""
        embedding = image @ self.directions.T
        return {"embedding": embedding, "reconstruction": self.decode(embedding)}

    def decode(self, embedding: Tensor) -> Tensor:
        """The nearest point of their span: (B, D) -> (B, features)."""
        return embedding @ self.directions
