"""A convolutional autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from embloom.assembly.parameters import choices, positive_integers
from embloom.encoders.autoencoder import OUTPUTS
from embloom.encoders.base import Encoder
from embloom.encoders.convolutions import NORMS, parse_channels, reduced, stack_down, stack_up
from embloom.encoders.layers import ACTIVATIONS


class ConvAutoencoder(Encoder):
    """Strided convolutions down to a linear embedding, transposed convolutions back (Masci et al. 2011).

    Args:
        image_shape: the dataset's (channels, height, width).
        channels: of each convolution, `16-32-64`; each halves height and width; the decoder mirrors them.
        embedding: its width.
        activation: one of `ACTIVATIONS`, between the layers.
        norm: `none` or `batch`, before each activation (Ioffe and Szegedy 2015).
        output: `sigmoid` keeps reconstructions within 0..1, `identity` leaves them free.

    Raises:
        ValueError: an option is unknown, or the images do not fit the convolutions.
    """

    def __init__(
        self,
        image_shape: Sequence[int] | None,
        channels: str | int | Sequence[int] = "16-32-64",
        embedding: int = 64,
        activation: str = "relu",
        norm: str = "batch",
        output: str = "sigmoid",
    ) -> None:
        super().__init__()
        choices(ACTIVATIONS, activation=activation)
        choices(NORMS, norm=norm)
        choices(OUTPUTS, output=output)
        positive_integers(embedding=embedding)
        widths = parse_channels(channels)
        planes, side, _ = reduced(image_shape, len(widths))
        assert image_shape is not None
        self.image_shape, self.squash = tuple(image_shape), output == "sigmoid"
        hidden, features = widths[-1] * side * side, planes * image_shape[1] * image_shape[2]
        self.down = stack_down([planes, *widths], activation, norm)
        self.code, self.uncode = nn.Linear(hidden, embedding), nn.Linear(embedding, hidden)
        self.up = stack_up([*reversed(widths), planes], activation, norm)
        self.folded = (widths[-1], side, side)
        self.sizes = {
            "hidden": hidden, "embedding": embedding, "reconstruction": features, "reconstruction_logits": features,
        }  # fmt: skip

    def activations(self) -> list[str]:
        """The convolutions' last output and the embedding."""
        return ["hidden", "embedding"]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Image (B, features) -> `hidden`, `embedding` (B, D), `reconstruction` and its logits (B, features)."""
        hidden = self.down(image.unflatten(1, self.image_shape)).flatten(1)
        embedding = self.code(hidden)
        logits = self.logits(embedding)
        return {
            "hidden": hidden,
            "embedding": embedding,
            "reconstruction_logits": logits,
            "reconstruction": logits.sigmoid() if self.squash else logits,
        }

    def logits(self, embedding: Tensor) -> Tensor:
        """The decoder: (B, D) -> (B, features), before the output's sigmoid."""
        logits: Tensor = self.up(self.uncode(embedding).unflatten(1, self.folded)).flatten(1)
        return logits

    def decode(self, embedding: Tensor) -> Tensor:
        """The decoder, with the output's sigmoid: (B, D) -> rows of pixels (B, features)."""
        logits = self.logits(embedding)
        return logits.sigmoid() if self.squash else logits
