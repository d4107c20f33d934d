"""Principal component analysis: the linear baseline, fitted in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import integers
from embloom.encoders.base import Encoder


class PCA(Encoder):
    """The best linear encoder and decoder with so few numbers (Pearson 1901; Bishop 2006, section 12.1).

    Nothing in it is trained: `fit` computes it from the training split.

    Args:
        sizes: the dataset's.
        embedding: how many components to keep.

    Raises:
        ValueError: there are fewer features than components.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, sizes: Mapping[str, int], embedding: int = 64) -> None:
        super().__init__()
        features = sizes["features"]
        integers(1, embedding=embedding)
        if embedding > features:
            raise ValueError(f"embedding={embedding}: there are only {features} features")
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("components", torch.eye(features)[:embedding].clone())
        self.sizes = {"embedding": embedding, "reconstruction": features}

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Finds mean and components of the `features` (B, F) of all batches; sums are kept in float64."""
        count, total = 0, self.mean.double() * 0
        products = torch.outer(total, total)
        shift: Tensor | None = None
        for batch in batches:
            rows = batch["features"].double()
            # Sums of squares about a point near the mean lose no digits.
            shift = rows.mean(0) if shift is None else shift
            rows = rows - shift
            count, total, products = count + len(rows), total + rows.sum(0), products + rows.T @ rows
        assert shift is not None
        mean = total / count
        vectors: Tensor = torch.linalg.eigh(products / count - torch.outer(mean, mean)).eigenvectors
        components = vectors.flip(1)[:, : len(self.components)].T
        # An eigenvector's sign is arbitrary; the largest entry is made positive, so that runs agree.
        signs = components.gather(1, components.abs().argmax(1, keepdim=True)).sign()
        self.mean.copy_(mean + shift)
        self.components.copy_(components * signs)

    def activations(self) -> list[str]:
        """The code."""
        return ["embedding"]

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features (B, F) -> `embedding` (B, D), largest variance first, and `reconstruction`."""
        embedding = (features - self.mean) @ self.components.T
        return {"embedding": embedding, "reconstruction": self.decode(embedding)}

    def decode(self, embedding: Tensor) -> Tensor:
        """The decoder: (B, D) -> rows of features (B, F)."""
        return embedding @ self.components + self.mean
