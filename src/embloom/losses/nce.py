"""Skip-gram with noise-contrastive estimation."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class NCE(nn.Module):
    """Logistic loss that tells the words around a word from noise words, knowing how probable those are as noise.

    For each positive pair `-log sigmoid(s(x)) - sum over the K noise words n of log sigmoid(-s(n))`, with
    `s(w) = c.w - log(K q(w))` (Gutmann and Hyvarinen 2010; Mnih and Teh 2012, equation 6). Unlike negative
    sampling's, its scores tend to log-probabilities.

    Example:
        >>> center, context = torch.zeros(1, 2, 3), torch.zeros(1, 2 + 4, 3)  # a block of two words, four noise words
        >>> positives = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> log_noise = torch.full((1, 6), 0.25).log()  # then all scores are -log(4 / 4) = 0: five times log 2
        >>> round(NCE()(center, context, positives, log_noise).item(), 4)
        3.4657
    """

    def forward(self, center: Tensor, context: Tensor, positives: Tensor, log_noise: Tensor) -> Tensor:
        """The mean over the pairs that `positives` weighs.

        Args:
            center: (B, L, D) input vectors.
            context: (B, C + K, D) output vectors of the words around, then of noise words.
            positives: (B, C, L), how much each pair counts.
            log_noise: (B, C + K), the logarithm of each context word's probability q as noise.

        Returns:
            A scalar; 0 where there is no pair.
        """
        true, false = corrected(center, context, positives, log_noise)
        weight = positives.to(true.dtype)
        noise = F.softplus(false).sum(1, keepdim=True)
        return ((F.softplus(-true) + noise) * weight).sum() / weight.sum().clamp(min=1)


def corrected(center: Tensor, context: Tensor, positives: Tensor, log_noise: Tensor) -> tuple[Tensor, Tensor]:
    """Scores less the logarithm of how often noise would bring the word: (B, C, L) of the words around, (B, K, L)
    of noise words."""
    words = positives.shape[1]
    expected = log_noise + math.log(context.shape[1] - words)
    scores = context @ center.transpose(1, 2) - expected[:, :, None]
    return scores[:, :words], scores[:, words:]
