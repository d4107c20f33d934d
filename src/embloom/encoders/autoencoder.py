"""A symmetric autoencoder: an encoder and its decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import choices
from embloom.encoders.base import Encoder
from embloom.encoders.layers import ACTIVATIONS, widths_of

OUTPUTS = ("sigmoid", "identity")


class Autoencoder(Encoder):
    """Linear layers down to the embedding and, mirrored, up again (Hinton and Salakhutdinov 2006).

    Args:
        sizes: the dataset's; `sizes["features"]` must be the first layer's.
        layers: sizes from the input to the embedding, `auto-512-64` or a list; the decoder mirrors them.
        activation: one of `ACTIVATIONS`, between the layers.
        code_activation: one of `ACTIVATIONS`, on the embedding; `relu` lets an L1 penalty make it sparse.
        output: `sigmoid` keeps reconstructions within 0..1, `identity` leaves them free.
        tied: the decoder's weights are the encoder's, transposed; only its biases are its own.

    Raises:
        ValueError: an option is unknown, or the first size is not the dataset's.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        layers: str | int | Sequence[int | str] = "auto-512-64",
        activation: str = "relu",
        code_activation: str = "identity",
        output: str = "sigmoid",
        tied: bool = False,
    ) -> None:
        super().__init__()
        widths = widths_of(layers, sizes["features"])
        choices(ACTIVATIONS, activation=activation, code_activation=code_activation)
        choices(OUTPUTS, output=output)
        self.activation, self.code_activation = ACTIVATIONS[activation](), ACTIVATIONS[code_activation]()
        self.squash = output == "sigmoid"
        self.down = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        up = [nn.Linear(a, b) for a, b in pairwise(reversed(widths))]
        self.up = None if tied else nn.ModuleList(up)
        self.up_bias = nn.ParameterList(layer.bias for layer in up) if tied else None
        self.hidden = [f"hidden_{i}" for i in range(len(widths) - 2)]
        self.sizes = dict(zip(self.hidden, widths[1:-1], strict=True)) | {
            "embedding": widths[-1], "reconstruction": widths[0], "reconstruction_logits": widths[0],
        }  # fmt: skip

    def activations(self) -> list[str]:
        """The code and the hidden layers of the encoder's half."""
        return [*self.hidden, "embedding"]

    def hidden_layers(self, features: Tensor) -> dict[str, Tensor]:
        """Features (B, F) -> `hidden_<i>` (B, width), in order."""
        outputs: dict[str, Tensor] = {}
        for name, layer in zip(self.hidden, self.down, strict=False):
            features = outputs[name] = self.activation(layer(features))
        return outputs

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features (B, F) -> `hidden_<i>`, `embedding` (B, D), `reconstruction` and its logits (B, F)."""
        outputs = self.hidden_layers(features)
        last = outputs[self.hidden[-1]] if self.hidden else features
        embedding = self.code_activation(self.down[-1](last))
        return {**outputs, "embedding": embedding, **self.reconstructed(embedding)}

    def reconstructed(self, embedding: Tensor) -> dict[str, Tensor]:
        """(B, D) -> `reconstruction_logits` before and `reconstruction` after the output's sigmoid."""
        logits = self.logits(embedding)
        return {
            "reconstruction_logits": logits,
            "reconstruction": logits.sigmoid() if self.squash else logits,
        }

    def logits(self, embedding: Tensor) -> Tensor:
        """The decoder: (B, D) -> (B, features), before the output's sigmoid."""
        for i, (weight, bias) in enumerate(self.up_parameters()):
            embedding = F.linear(self.activation(embedding) if i else embedding, weight, bias)
        return embedding

    def up_parameters(self) -> list[tuple[Tensor, Tensor]]:
        """The weight and bias of each decoder layer, from the embedding up."""
        if self.up is not None:
            return [weight_and_bias(layer) for layer in self.up]
        assert self.up_bias is not None
        weights = [weight_and_bias(layer)[0].T for layer in reversed(self.down)]
        return list(zip(weights, self.up_bias, strict=True))

    def decode(self, embedding: Tensor) -> Tensor:
        """The decoder: (B, D) -> rows of features (B, F)."""
        return self.reconstructed(embedding)["reconstruction"]


def weight_and_bias(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """A linear layer's parameters."""
    assert isinstance(layer, nn.Linear)
    return layer.weight, layer.bias
