"""A linear classifier on a shared embedding, trained with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers
from embloom.losses.base import Classifier


class LinearHead(Classifier):
    """Cross-entropy of a linear layer of its own: the embedding is asked to keep one label.

    The head belongs to the loss, not to the encoder, so any number of them share an embedding; the artifact
    keeps it, for `embedding.predict`. Another label is another yaml with another `of.target`.

    Args:
        sizes: of `embedding` (its width) and `target` (the number of classes).
        label_smoothing: probability spread evenly over all classes (Szegedy et al. 2016, section 7).

    Raises:
        ValueError: smoothing is outside 0..1, or a size is unknown.

    Example:
        >>> loss = LinearHead({"embedding": 16, "target": 6})
        >>> loss(torch.randn(8, 16), torch.randint(6, (8,))).shape
        torch.Size([])
        >>> loss.scores(torch.randn(8, 16)).shape
        torch.Size([8, 6])
    """

    def __init__(self, sizes: Mapping[str, int], label_smoothing: float = 0.0) -> None:
        super().__init__()
        numbers(at_least=0, at_most=1, label_smoothing=label_smoothing)
        if "embedding" not in sizes or "target" not in sizes:
            raise ValueError("of={embedding: ..., target: ...}: it must name a layer and a label of known size")
        self.label_smoothing = label_smoothing
        self.linear = nn.Linear(sizes["embedding"], sizes["target"])

    def forward(self, embedding: Tensor, target: Tensor) -> Tensor:
        """Embedding (B, D), target (B,) class numbers -> scalar, nats."""
        return F.cross_entropy(self.linear(embedding), target, label_smoothing=self.label_smoothing)

    def scores(self, embedding: Tensor) -> Tensor:
        """Embedding (B, D) -> logits (B, classes)."""
        logits: Tensor = self.linear(embedding)
        return logits
