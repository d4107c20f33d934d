"""The input itself as embedding: the baseline that every embedding has to beat."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from embloom.encoders.mlp import features_of


class Identity(nn.Module):
    """Raw pixels.

    Args:
        sizes: the dataset's.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        features = features_of(sizes)
        self.sizes = {"embedding": features, "reconstruction": features}

    def embedding_layers(self) -> dict[str, Tensor | None]:
        """The layers that the artifact keeps."""
        return {"embedding": None}

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Image (B, features) -> `embedding` and `reconstruction`, both the image."""
        return {"embedding": image, "reconstruction": image}

    def decode(self, embedding: Tensor) -> Tensor:
        """Nothing to undo: (B, features) -> (B, features)."""
        return embedding
