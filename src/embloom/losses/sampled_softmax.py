"""Skip-gram with the softmax over a sample of the vocabulary."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.losses.nce import corrected


class SampledSoftmax(nn.Module):
    """Cross-entropy of each word around a word against the noise words, every score less the logarithm of how often
    noise would bring the word, so that it tends to the full softmax (Jean et al. 2015, equation 8).

    Example:
        >>> center, context = torch.zeros(1, 2, 3), torch.zeros(1, 2 + 4, 3)  # a block of two words, four noise words
        >>> positives = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> log_noise = torch.full((1, 6), 0.25).log()
        >>> round(SampledSoftmax()(center, context, positives, log_noise).item(), 4)  # one word of five: log 5
        1.6094
    """

    def forward(self, center: Tensor, context: Tensor, positives: Tensor, log_noise: Tensor) -> Tensor:
        """The mean over the pairs that `positives` weighs; for the arguments see `NCE.forward`."""
        true, false = corrected(center, context, positives, log_noise)
        weight = positives.to(true.dtype)
        # -log(e^t / (e^t + sum of e^f)) = softplus(log sum of e^f - t)
        loss = F.softplus(torch.logsumexp(false, 1, keepdim=True) - true)
        return (loss * weight).sum() / weight.sum().clamp(min=1)
