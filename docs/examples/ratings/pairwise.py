"""Bayesian personalized ranking."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Pairwise(nn.Module):
    """What a user liked should score higher than an item drawn at random (Rendle et al. 2009, section 4)."""

    def forward(self, user_vector: Tensor, item_vector: Tensor, negative_vector: Tensor) -> Tensor:
        """Rows (B, D) of users, of items they liked and of others -> scalar, nats."""
        return -F.logsigmoid((user_vector * (item_vector - negative_vector)).sum(1)).mean()
