"""Principal component analysis: the linear baseline, fitted in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from embloom.encoders.mlp import features_of


class PCA(nn.Module):
    """The best linear way to few numbers and back (Pearson 1901; Bishop 2006, section 12.1).

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
        features = features_of(sizes)
        if not isinstance(embedding, int) or not 1 <= embedding <= features:
            raise ValueError(f"encoder.embedding={embedding}: it must be a whole number within 1 and {features}")
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("components", torch.eye(features)[:embedding].clone())
        self.sizes = {"embedding": embedding, "reconstruction": features}

    def embedding_layers(self) -> dict[str, Tensor | None]:
        """The layers that the artifact keeps."""
        return {"embedding": None}

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Finds mean and components of the `image` (B, features) of all batches; sums are kept in float64."""
        count, total = 0, self.mean.double() * 0
        products = torch.outer(total, total)
        shift: Tensor | None = None
        for batch in batches:
            image = batch["image"].double()
            # Sums of squares about a point near the mean lose no digits.
            shift = image.mean(0) if shift is None else shift
            image = image - shift
            count, total, products = count + len(image), total + image.sum(0), products + image.T @ image
        assert shift is not None
        mean = total / count
        vectors: Tensor = torch.linalg.eigh(products / count - torch.outer(mean, mean)).eigenvectors
        components = vectors.flip(1)[:, : len(self.components)].T
        # An eigenvector's sign is arbitrary; the largest entry is made positive, so that runs agree.
        signs = components.gather(1, components.abs().argmax(1, keepdim=True)).sign()
        self.mean.copy_(mean + shift)
        self.components.copy_(components * signs)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Image (B, features) -> `embedding` (B, D), largest variance first, and `reconstruction`."""
        embedding = (image - self.mean) @ self.components.T
        return {"embedding": embedding, "reconstruction": self.decode(embedding)}

    def decode(self, embedding: Tensor) -> Tensor:
        """The way back: (B, D) -> rows of pixels (B, features)."""
        return embedding @ self.components + self.mean
