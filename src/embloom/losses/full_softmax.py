"""Skip-gram with the softmax over the whole vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FullSoftmax(nn.Module):
    """Cross-entropy between the words around a word and the softmax over all words (Mikolov et al. 2013, equation 2).

    Exact, and as slow as the vocabulary is large: a step holds words x vocabulary scores. For a few thousand words;
    else `negative_sampling` or `sampled_softmax`. The output table gets a dense gradient.

    Example:
        >>> center, output = torch.zeros(1, 2, 3), torch.zeros(5, 3)  # two words of a block, a vocabulary of five
        >>> token, positives = torch.tensor([[1, 4]]), torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> round(FullSoftmax()(center, output, token, positives).item(), 4)  # nothing is learned yet: log 5
        1.6094
    """

    def forward(self, center: Tensor, output: Tensor, token: Tensor, positives: Tensor) -> Tensor:
        """The mean over the pairs that `positives` weighs.

        Args:
            center: (B, L, D) input vectors.
            output: (V, D) output vectors of all words.
            token: (B, C) the words around.
            positives: (B, C, L), how much each pair counts.

        Returns:
            A scalar; 0 where there is no pair.
        """
        scores = center.to(output.dtype) @ output.T
        at = token[:, None, :].expand(-1, center.shape[1], -1)
        log_share = scores.gather(2, at) - torch.logsumexp(scores, 2, keepdim=True)
        weight = positives.transpose(1, 2).to(scores.dtype)
        return -(log_share * weight).sum() / weight.sum().clamp(min=1)
