"""A linear classifier on a shared embedding, trained with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn


class LinearHead(nn.Module):
    """Cross-entropy of a linear layer of its own: the embedding is asked to keep one label.

    The head belongs to the loss, not to the encoder, so any number of them share an embedding, and none of
    them is in the artifact. Another label is another yaml with another `of.target`.

    Args:
        sizes: of `embedding` (its width) and `target` (the number of classes).
        label_smoothing: probability spread evenly over all classes (Szegedy et al. 2016, section 7).

    Raises:
        ValueError: smoothing is outside 0..1, or a size is unknown.
    """

    def __init__(self, sizes: Mapping[str, int], label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing={label_smoothing}: it must be within 0 and 1")
        if "embedding" not in sizes or "target" not in sizes:
            raise ValueError("of={embedding: ..., target: ...}: it must name a layer and a label of known size")
        self.label_smoothing = label_smoothing
        self.linear = nn.Linear(sizes["embedding"], sizes["target"])

    def forward(self, embedding: Tensor, target: Tensor) -> Tensor:
        """Embedding (B, D), target (B,) class numbers -> scalar, nats."""
        return F.cross_entropy(self.linear(embedding), target, label_smoothing=self.label_smoothing)

    def predict(self, embedding: Tensor) -> Tensor:
        """The most likely class of each row: (B, D) -> (B,)."""
        logits: Tensor = self.linear(embedding)
        return logits.argmax(1)
