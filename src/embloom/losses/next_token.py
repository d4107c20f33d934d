"""Language modeling from left to right: what comes next."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NextToken(nn.Module):
    """Cross-entropy of each word given those before it in its text (Bengio et al. 2003, equation 1).

    Takes `causal_tokens`, which only an encoder has whose positions see no later one. Scores are dot products with the
    encoder's table (Press and Wolf 2017) plus a bias a word; the first word of a text is not scored.

    Args:
        sizes: of `token`, the vocabulary.

    Example:
        >>> loss = NextToken({"token": 4})
        >>> tokens, words = torch.zeros(3, 2), torch.randn(4, 2)
        >>> round(loss(tokens, words, torch.tensor([0, 1, 2]), torch.tensor([3])).item(), 4)  # nothing is known: log 4
        1.3863
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(sizes["token"]))

    def forward(self, causal_tokens: Tensor, words: Tensor, token: Tensor, length: Tensor) -> Tensor:
        """The mean over all words but the first of each text; 0 where there is none.

        Args:
            causal_tokens: (T, D), the encoder's last layer, by position, texts in a row.
            words: (V, D), its table.
            token: (T,) the words.
            length: (B,) how many each text has.

        Returns:
            A scalar, nats.
        """
        follows = torch.ones(len(token) + 1, dtype=torch.bool, device=token.device)
        follows[length.cumsum(0) - length] = False  # begins a text
        place = follows[:-1].nonzero()[:, 0]
        scores = F.linear(causal_tokens.index_select(0, place - 1), words, self.bias)
        target = token.index_select(0, place).long()
        exact = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return F.cross_entropy(exact, target, reduction="sum") / max(1, len(target))
