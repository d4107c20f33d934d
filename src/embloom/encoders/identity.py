"""The input itself as embedding: the baseline that every embedding has to beat."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from embloom.encoders.base import Encoder


class Identity(Encoder):
    """The raw features: pixels, columns of a table.

    Args:
        sizes: the dataset's.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        features = sizes["features"]
        self.sizes = {"embedding": features, "reconstruction": features}

    def activations(self) -> list[str]:
        """One of two equal ones."""
        return ["embedding"]

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features (B, F) -> `embedding` and `reconstruction`, both the features."""
        return {"embedding": features, "reconstruction": features}

    def decode(self, embedding: Tensor) -> Tensor:
        """Nothing to undo: (B, features) -> (B, features)."""
        return embedding
