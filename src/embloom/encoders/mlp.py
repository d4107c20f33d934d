"""A multilayer perceptron whose every layer is an embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from embloom.encoders.dropout import Dropout

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU, "hardtanh": nn.Hardtanh, "identity": nn.Identity,
}  # fmt: skip
NORMS: dict[str, type[nn.Module]] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def parse_layers(layers: str | int | Sequence[int]) -> list[int]:
    """Layer sizes as people write them: `1024-512-10` or a list.

    Raises:
        ValueError: fewer than two sizes, or one that is no positive whole number.
    """
    parts: Sequence[object] = (
        layers if isinstance(layers, Sequence) and not isinstance(layers, str) else str(layers).split("-")
    )
    try:
        sizes = [int(str(part)) for part in parts]
    except ValueError:
        sizes = []
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"encoder.layers={layers}: write two or more sizes, e.g. encoder.layers=1024-512-10")
    return sizes


class MLP(nn.Module):
    """Linear layers with an activation between them.

    The hidden layers' activations are called `hidden_0`, `hidden_1`, ...; the last, linear layer is
    `embedding`. With cross-entropy on it, its numbers are the class logits.

    Args:
        sizes: the dataset's; `sizes["image"]` must be the first layer's.
        layers: sizes from the input to the embedding, `1024-512-10` or a list.
        activation: one of `ACTIVATIONS`.
        dropout: probability of dropping a hidden unit (Srivastava et al. 2014).
        input_dropout: probability of dropping an input feature.
        norm: `none`, `batch` or `layer`, before each activation.
        code_activation: one of `ACTIVATIONS`, on the embedding; leave it `identity` where that is class logits.

    Raises:
        ValueError: an option is unknown or out of range, or the first size is not the dataset's.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        layers: str | int | Sequence[int] = "1024-512-10",
        activation: str = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        norm: str = "none",
        code_activation: str = "identity",
    ) -> None:
        super().__init__()
        widths = parse_layers(layers)
        check_first(widths, features_of(sizes))
        check_choice("activation", activation, ACTIVATIONS)
        check_choice("code_activation", code_activation, ACTIVATIONS)
        check_choice("norm", norm, NORMS)
        check_probabilities({"dropout": dropout, "input_dropout": input_dropout})
        self.input_dropout = Dropout(input_dropout)
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(NORMS[norm](width) for width in widths[1:-1])
        self.activation, self.code_activation = ACTIVATIONS[activation](), ACTIVATIONS[code_activation]()
        self.dropout = Dropout(dropout)
        self.sizes = {f"hidden_{i}": width for i, width in enumerate(widths[1:-1])} | {"embedding": widths[-1]}

    def embedding_layers(self) -> dict[str, Tensor | None]:
        """The layers that the artifact keeps; all are activations, none a table."""
        return dict.fromkeys(self.sizes)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Image (B, features) -> `hidden_<i>` (B, width) and `embedding` (B, last width)."""
        outputs: dict[str, Tensor] = {}
        x = self.input_dropout(image)
        for i, norm in enumerate(self.norms):
            x = self.activation(norm(self.linears[i](x)))
            outputs[f"hidden_{i}"] = x
            x = self.dropout(x)
        outputs["embedding"] = self.code_activation(self.linears[-1](x))
        return outputs


def features_of(sizes: Mapping[str, int]) -> int:
    """How many numbers a row of `image` has.

    Raises:
        ValueError: the dataset has no such tensor.
    """
    if "image" not in sizes:
        raise ValueError(f"this encoder needs the tensor 'image', but the dataset has: {', '.join(sizes)}")
    return sizes["image"]


def check_first(widths: Sequence[int], features: int) -> None:
    """Refuses layers that do not begin with the dataset's features."""
    if widths[0] != features:
        fitting = "-".join(map(str, [features, *widths[1:]]))
        raise ValueError(
            f"encoder.layers={'-'.join(map(str, widths))} begins with {widths[0]}, but the dataset has "
            f"{features} features: use encoder.layers={fitting}"
        )


def check_choice(key: str, value: str, choices: Sequence[str] | Mapping[str, object]) -> None:
    """Refuses an option that there is not."""
    if value not in choices:
        raise ValueError(f"encoder.{key}={value}: it must be one of {', '.join(choices)}")


def check_probabilities(probabilities: Mapping[str, float]) -> None:
    """Refuses impossible ones."""
    for key, value in probabilities.items():
        if not 0 <= value < 1:
            raise ValueError(f"encoder.{key}={value}: it must be at least 0 and below 1")
