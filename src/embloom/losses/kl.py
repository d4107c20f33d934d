"""The divergence of a code's distribution from the standard normal."""

from __future__ import annotations

from torch import Tensor, nn


class KL(nn.Module):
    """KL(N(mean, exp(log_variance)) || N(0, 1)), summed over the code (Kingma and Welling 2014, appendix B).

    With one reconstruction term it makes the evidence bound of a VAE; beside a classifier, the information
    bottleneck. Beware of the scale: `mse` and `bce` are means over pixels, this is a sum over the code.

    Example:
        >>> mean, log_variance = torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2)
        >>> KL()(mean, log_variance).item()  # half the square of the mean, at variance 1
        2.0
    """

    def forward(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Mean and log-variance, both (B, D) -> scalar, nats a sample."""
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
