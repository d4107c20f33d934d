"""A variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from embloom.encoders.autoencoder import Autoencoder

# Small variances at the start: a decoder or a head first learns that codes mean something.
INITIAL_LOG_VARIANCE = -4.0


def sampled_code(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A sample of N(mean, exp(log_variance)) that passes gradients on: (B, D), (B, D) -> (B, D)."""
    return mean + torch.randn_like(mean) * (log_variance / 2).exp()


class VAE(Autoencoder):
    """An autoencoder whose code is a distribution N(mean, exp(log_variance)) (Kingma and Welling 2014).

    In training, `embedding` is a sample of it, and what the decoder sees; otherwise it is the mean. Train it
    with a reconstruction term and `kl`, whose weight is the beta of Higgins et al. 2017.

    Args:
        sizes: see `Autoencoder`, as for the other options.
        layers: sizes from the input to the embedding.
        activation: between the layers.
        output: `sigmoid` or `identity`.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        layers: str | int | Sequence[int | str] = "auto-512-64",
        activation: str = "relu",
        output: str = "sigmoid",
    ) -> None:
        super().__init__(sizes, layers, activation, output=output)
        last = self.down[-1]
        assert isinstance(last, nn.Linear)
        self.log_variance = nn.Linear(last.in_features, last.out_features)
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, INITIAL_LOG_VARIANCE)
        self.sizes |= {"mean": last.out_features, "log_variance": last.out_features}

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features (B, F) -> as `Autoencoder`, and `mean`, `log_variance` (B, D) of the code."""
        outputs = self.hidden_layers(features)
        last = outputs[self.hidden[-1]] if self.hidden else features
        mean, log_variance = self.down[-1](last), self.log_variance(last)
        code = sampled_code(mean, log_variance) if self.training else mean
        code_outputs = {"embedding": code, "mean": mean, "log_variance": log_variance}
        return {**outputs, **code_outputs, **self.reconstructed(code)}
