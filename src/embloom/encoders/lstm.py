"""A recurrent network over the words or pieces of texts."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from embloom.encoders.in_context import InContext, Windows


class LSTM(InContext):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) read from left to right, each layer added to its input.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: width of all layers.
        layers: one upon the other.
        window: tokens that are read together; a longer text is read in windows.
        dropout: probability of dropping a number of the looked-up vectors and of what each layer adds.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self, sizes: Mapping[str, int], dim: int = 128, layers: int = 2, window: int = 128, dropout: float = 0.1
    ) -> None:
        super().__init__(sizes, dim, layers, window, dropout, causal=True)
        self.cells = nn.ModuleList(nn.LSTM(dim, dim, batch_first=True) for _ in range(layers))

    def layers_of(self, x: Tensor, windows: Windows) -> list[Tensor]:
        """See `InContext`."""
        x = self.dropout(x)
        found = [x]
        for cell in self.cells:
            # Padding stands at the end, and what is read from left to right never comes back from there.
            x = x + self.dropout(windows.flat(cell(windows.grid(x))[0]))
            found.append(x)
        return found
