"""Cross-entropy of class logits."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn


class CrossEntropy(nn.Module):
    """The mean negative log-likelihood of the true class under the softmax of the logits.

    Args:
        sizes: of `input` (the number of logits) and `target` (the number of classes).
        label_smoothing: probability spread evenly over all classes (Szegedy et al. 2016, section 7).

    Raises:
        ValueError: there are fewer logits than classes, or smoothing is outside 0..1.
    """

    def __init__(self, sizes: Mapping[str, int], label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing={label_smoothing}: it must be within 0 and 1")
        logits, classes = sizes.get("input"), sizes.get("target")
        if logits is not None and classes is not None and logits < classes:
            raise ValueError(
                f"cross-entropy needs a logit for each of {classes} classes, but its input has {logits}: "
                f"let the encoder end in {classes}, e.g. encoder.layers=...-{classes}"
            )
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Input (B, classes) logits, target (B,) class numbers -> scalar, nats."""
        return F.cross_entropy(input, target, label_smoothing=self.label_smoothing)

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class of each row: (B, classes) -> (B,)."""
        return input.argmax(1)
