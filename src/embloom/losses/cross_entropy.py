"""Cross-entropy of class logits."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from embloom.assembly.parameters import numbers
from embloom.losses.base import Classifier


class CrossEntropy(Classifier):
    """The mean negative log-likelihood of the true class under the softmax of the logits.

    Args:
        sizes: of `input` (the number of logits) and `target` (the number of classes).
        label_smoothing: probability spread evenly over all classes (Szegedy et al. 2016, section 7).

    Raises:
        ValueError: there is not one logit a class, or smoothing is outside 0..1.

    Example:
        >>> loss = CrossEntropy({"input": 2, "target": 2})
        >>> logits = torch.tensor([[0.0, 0.0], [2.0, -2.0]])
        >>> round(loss(logits, torch.tensor([0, 0])).item(), 4)  # the mean of log 2 and log(1 + e^-4)
        0.3556
    """

    def __init__(self, sizes: Mapping[str, int], label_smoothing: float = 0.0) -> None:
        super().__init__()
        numbers(at_least=0, at_most=1, label_smoothing=label_smoothing)
        logits, classes = sizes.get("input"), sizes.get("target")
        if logits is not None and classes is not None and logits != classes:
            raise ValueError(
                f"cross-entropy needs a logit for each of {classes} classes, and its input has {logits}: "
                f"let the encoder end in {classes}, encoder.layers=...-{classes} or ...-auto"
            )
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Input (B, classes) logits, target (B,) class numbers -> scalar, nats."""
        return F.cross_entropy(input, target, label_smoothing=self.label_smoothing)

    def scores(self, input: Tensor) -> Tensor:
        """The logits themselves: (B, classes)."""
        return input
