"""A multilayer perceptron whose every layer is an embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from embloom.assembly.parameters import choices, probabilities
from embloom.encoders.base import Encoder
from embloom.encoders.dropout import Dropout
from embloom.encoders.layers import ACTIVATIONS, NORMS, widths_of


class MLP(Encoder):
    """Linear layers with an activation between them.

    The hidden layers' activations are called `hidden_0`, `hidden_1`, ...; the last, linear layer is
    `embedding`. With cross-entropy on it, its numbers are the class logits.

    Args:
        sizes: the dataset's; `sizes["features"]` must be the first layer's.
        layers: sizes from the input to the embedding, `1024-512-10` or a list; `auto` at the beginning is the number
            of features, at the end that of classes.
        activation: one of `ACTIVATIONS`.
        dropout: probability of dropping a hidden unit (Srivastava et al. 2014).
        input_dropout: probability of dropping an input feature.
        norm: `none`, `batch` or `layer`, before each activation.
        code_activation: one of `ACTIVATIONS`, on the embedding; leave it `identity` where that is class logits.
        labels: label -> number of classes, the dataset's.

    Raises:
        ValueError: an option is unknown or out of range, or the first size is not the dataset's.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        layers: str | int | Sequence[int | str] = "auto-512-auto",
        activation: str = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        norm: str = "none",
        code_activation: str = "identity",
        labels: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        widths = widths_of(layers, sizes["features"], labels)
        choices(ACTIVATIONS, activation=activation, code_activation=code_activation)
        choices(NORMS, norm=norm)
        probabilities(dropout=dropout, input_dropout=input_dropout)
        self.input_dropout = Dropout(input_dropout)
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(NORMS[norm](width) for width in widths[1:-1])
        self.activation, self.code_activation = ACTIVATIONS[activation](), ACTIVATIONS[code_activation]()
        self.dropout = Dropout(dropout)
        self.sizes = {f"hidden_{i}": width for i, width in enumerate(widths[1:-1])} | {"embedding": widths[-1]}

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features (B, D) -> `hidden_<i>` (B, width) and `embedding` (B, last width)."""
        outputs: dict[str, Tensor] = {}
        x = self.input_dropout(features)
        for i, norm in enumerate(self.norms):
            x = self.activation(norm(self.linears[i](x)))
            outputs[f"hidden_{i}"] = x
            x = self.dropout(x)
        outputs["embedding"] = self.code_activation(self.linears[-1](x))
        return outputs
