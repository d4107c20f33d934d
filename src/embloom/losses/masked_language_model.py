"""Masked language modeling: finds the words that were hidden in a text."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedLanguageModel(nn.Module):
    """Cross-entropy of the words that were hidden, against the whole vocabulary (Devlin et al. 2019, section 3.1).

    Scores are dot products with the encoder's own table, which so learns from both sides (Press and Wolf 2017), plus a
    bias a word that belongs to the loss. Only hidden positions are scored.

    Args:
        sizes: of `target`, the vocabulary.

    Example:
        >>> loss = MaskedLanguageModel({"target": 4})
        >>> tokens, words = torch.zeros(3, 2), torch.randn(4, 2)
        >>> round(loss(tokens, words, torch.tensor([1]), torch.tensor([2])).item(), 4)  # nothing is known: log 4
        1.3863
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(sizes["target"]))

    def forward(self, tokens: Tensor, words: Tensor, masked: Tensor, target: Tensor) -> Tensor:
        """The mean over hidden positions; 0 where none is.

        Args:
            tokens: (T, D), the encoder's last layer, by position.
            words: (V, D), its table.
            masked: (M,) which positions were hidden.
            target: (M,) what stood there.

        Returns:
            A scalar, nats.
        """
        scores = F.linear(tokens.index_select(0, masked), words, self.bias)
        exact = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return F.cross_entropy(exact, target, reduction="sum") / max(1, len(target))
