"""Triplet loss with the hardest triplets of the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import choices, numbers

MINING = ("hard", "all")


class Triplet(nn.Module):
    """An anchor's positive should be nearer than its negative by a margin (Schroff et al. 2015, equation 3).

    Args:
        margin: in units of distance; 0 means the soft margin log(1 + exp(x)) of Hermans et al. 2017.
        mining: `hard`, the farthest positive against the nearest negative of each anchor (Hermans et al. 2017,
            equation 5); or `all`, the mean over all triplets that violate the margin.
        normalize: compare on the unit sphere, where distances lie in 0..2.

    Raises:
        ValueError: the margin is negative or the mining unknown.

    Example:
        >>> embedding = torch.tensor([[0.0], [1.0], [3.0]])
        >>> loss = Triplet(margin=2.0, normalize=False)
        >>> round(loss(embedding, torch.tensor([0, 0, 1])).item(), 4)  # of 1 + 2 - 3 and 1 + 2 - 2
        0.5
    """

    def __init__(self, margin: float = 0.2, mining: str = "hard", normalize: bool = True) -> None:
        super().__init__()
        numbers(at_least=0, margin=margin)
        choices(MINING, mining=mining)
        self.margin, self.mining, self.normalize = margin, mining, normalize

    def violation(self, difference: Tensor) -> Tensor:
        """How far d(anchor, positive) - d(anchor, negative) is from minus the margin, at least 0."""
        return F.relu(difference + self.margin) if self.margin > 0 else F.softplus(difference)

    def forward(self, embedding: Tensor, target: Tensor) -> Tensor:
        """Embedding (B, D), target (B,) class numbers -> scalar; 0 if the batch holds no triplet."""
        x = F.normalize(embedding, dim=1) if self.normalize else embedding
        square = (x * x).sum(1)
        squared = square[:, None] + square[None, :] - 2 * (x @ x.T)
        # The square root has no gradient at 0; equal points keep a tiny distance instead.
        distance = squared.clamp_min(1e-12).sqrt()
        same = target[:, None] == target[None, :]
        positive = same & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
        if self.mining == "hard":
            return self.hardest(distance, positive, ~same)
        return self.every(distance, positive, ~same)

    def hardest(self, distance: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The mean over anchors that have a positive and a negative."""
        usable = positive.any(1) & negative.any(1)
        farthest = distance.masked_fill(~positive, 0.0).amax(1)
        nearest = distance.masked_fill(~negative, torch.inf).amin(1)
        difference = torch.where(usable, farthest - nearest, torch.zeros_like(farthest))
        return (self.violation(difference) * usable).sum() / usable.sum().clamp_min(1)

    def every(self, distance: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The mean over all violating triplets; memory grows with B^3."""
        difference = distance[:, :, None] - distance[:, None, :]
        triplets = positive[:, :, None] & negative[:, None, :]
        loss = self.violation(difference) * triplets
        return loss.sum() / ((loss > 0) & triplets).sum().clamp_min(1)
