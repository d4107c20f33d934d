"""Supervised contrastive loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers


class SupervisedContrastive(nn.Module):
    """Pulls samples of one class together and pushes the rest of the batch away, on the unit sphere.

    L_out of Khosla et al. 2020, equation 2: for each anchor, the mean over its positives of the negative
    log-softmax of the scaled cosine among all other samples. Anchors without a positive are left out.

    Args:
        temperature: divides the cosines; smaller looks harder at near neighbors.

    Raises:
        ValueError: the temperature is not positive.

    Example:
        >>> embedding = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
        >>> loss = SupervisedContrastive(temperature=1.0)
        >>> round(loss(embedding, torch.tensor([0, 0, 1])).item(), 4)  # log(1 + e^-1): the third has no positive
        0.3133
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        numbers(above=0, temperature=temperature)
        self.temperature = temperature

    def forward(self, embedding: Tensor, target: Tensor) -> Tensor:
        """Embedding (B, D), target (B,) class numbers -> scalar, nats; 0 if no class occurs twice."""
        unit = F.normalize(embedding, dim=1)
        logits = unit @ unit.T / self.temperature
        itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
        log_prob = logits.masked_fill(itself, -torch.inf).log_softmax(1)
        positives = (target[:, None] == target[None, :]) & ~itself
        count = positives.sum(1)
        per_anchor = -log_prob.masked_fill(~positives, 0.0).sum(1) / count.clamp_min(1)
        return per_anchor.sum() / (count > 0).sum().clamp_min(1)
