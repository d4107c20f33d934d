"""A penalty that makes codes sparse."""

from __future__ import annotations

from torch import Tensor, nn


class L1(nn.Module):
    """The mean absolute value of the embedding; with `encoder.code_activation=relu`, most of it becomes 0.

    The sparse autoencoder's penalty (Olshausen and Field 1996, equation 2, with S(x) = |x|).

    Example:
        >>> L1()(torch.tensor([[1.0, 0.0, -2.0, 0.0]])).item()
        0.75
    """

    def forward(self, embedding: Tensor) -> Tensor:
        """Embedding (B, D) -> scalar."""
        return embedding.abs().mean()
