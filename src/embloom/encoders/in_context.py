"""What encoders of texts share that read each word among the others: windows, layers by position and their means."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.dropout import Dropout

INITIAL_STD = 0.02  # of BERT's and GPT-2's tables


@dataclass(frozen=True)
class Windows:
    """Tokens that lie in a row, as a grid of windows, one a line, padded at the end.

    Attributes:
        length: (W,) tokens in each window.
        width: of the widest window.
        place: (T,) where each token stands in the flattened grid; None where the grid has no padding.
    """

    length: Tensor
    width: int
    place: Tensor | None

    @property
    def shape(self) -> tuple[int, int]:
        """Windows and places in each."""
        return len(self.length), self.width

    def grid(self, x: Tensor) -> Tensor:
        """(T, D) -> (W, L, D), zeros at padding."""
        if self.place is None:
            return x.view(*self.shape, x.shape[1])
        padded = x.new_zeros(len(self.length) * self.width, x.shape[1]).index_copy(0, self.place, x)
        return padded.view(*self.shape, x.shape[1])

    def flat(self, x: Tensor) -> Tensor:
        """(W, L, D) -> (T, D), without padding."""
        rows = x.reshape(len(self.length) * self.width, x.shape[-1])
        return rows if self.place is None else rows.index_select(0, self.place)

    def real(self) -> Tensor | None:
        """(W, L) where a token is; None: everywhere."""
        if self.place is None:
            return None
        return torch.arange(self.width, device=self.length.device) < self.length[:, None]


def windows_of(length: Tensor, window: int, total: int) -> Windows:
    """Cuts texts into windows.

    Args:
        length: (B,) tokens of each text, `total` together.
        window: a longer text becomes several windows, the last of which may be short.
        total: see `length`.
    """
    count = (length + window - 1) // window
    text = torch.repeat_interleave(torch.arange(len(length), device=length.device), count)
    number = torch.arange(len(text), device=length.device) - (count.cumsum(0) - count)[text]
    sizes = (length[text] - number * window).clamp(max=window)
    width, least = int(sizes.max()), int(sizes.min())
    if width == least:
        return Windows(sizes, width, None)
    row = torch.repeat_interleave(sizes, output_size=total)
    place = torch.arange(len(row), device=length.device) - (sizes.cumsum(0) - sizes)[row]
    return Windows(sizes, width, row * width + place)


class InContext(Encoder):
    """Looks up each token and lets layers exchange what stands around it. Derive your own: write `layers_of`.

    Outputs, with n layers: `tokens_0` ... `tokens_n` (T, D), a vector for each position, of the table and after each
    layer; `tokens`, after the last norm; `hidden_0` ... `hidden_n` and `embedding` (B, D), the means of these over the
    positions of each text; `words` (V, D), the table; and, where no position sees a later one, `causal_tokens`, the
    same as `tokens`.

    Texts lie in a row, without padding; only what needs a grid sees one. A text longer than `window` is read in
    windows, so that no part of it is left out and the time grows with its length alone.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: width of all layers.
        layers: how many.
        window: tokens that are read together.
        dropout: probability of dropping a number of the looked-up vectors and of what each layer adds.
        causal: whether no position sees a later one.

    Raises:
        ValueError: an option is out of range.
    """

    rows: ClassVar[Mapping[str, str]] = {"words": "token"}

    def __init__(
        self, sizes: Mapping[str, int], dim: int, layers: int, window: int, dropout: float, causal: bool
    ) -> None:
        super().__init__()
        positive_integers(dim=dim, layers=layers, window=window)
        if "token" not in sizes or "length" not in sizes:
            raise ValueError("this encoder reads texts: choose dataset=documents or dataset=labelled_text")
        self.window, self.causal, self.depth = window, causal, layers
        self.words = nn.Embedding(sizes["token"], dim)
        nn.init.normal_(self.words.weight, std=INITIAL_STD)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(dim)
        numbers = range(layers + 1)
        self.sizes = {
            **{f"hidden_{i}": dim for i in numbers},
            "embedding": dim,
            **{f"tokens_{i}": dim for i in numbers},
            "tokens": dim,
            "words": dim,
            **({"causal_tokens": dim} if causal else {}),
        }

    def tables(self) -> dict[str, Tensor]:
        """The vectors of words or pieces, before anything is read."""
        return {"words": self.words.weight}

    def activations(self) -> list[str]:
        """The means over positions."""
        return [*(f"hidden_{i}" for i in range(self.depth + 1)), "embedding"]

    @abstractmethod
    def layers_of(self, x: Tensor, windows: Windows) -> list[Tensor]:
        """Looked-up vectors (T, D) -> what goes into the first layer and comes out of each, (T, D) each."""

    def forward(self, token: Tensor, length: Tensor) -> dict[str, Tensor]:
        """Tokens of all texts in a row (T,), and how many each text has (B,) -> the outputs above. A text without a
        known token has a mean of 0."""
        x = F.embedding(token, self.words.weight)
        found = self.layers_of(x, windows_of(length, self.window, len(x))) if len(x) else [x] * (self.depth + 1)
        tokens = self.norm(found[-1])
        outputs = {"tokens": tokens, "words": self.words.weight}
        if self.causal:
            outputs["causal_tokens"] = tokens
        text = torch.repeat_interleave(length, output_size=len(token))
        for i, x in enumerate(found):
            outputs |= {f"tokens_{i}": x, f"hidden_{i}": mean_of(x, text, length)}
        return {**outputs, "embedding": mean_of(tokens, text, length)}


def mean_of(x: Tensor, text: Tensor, length: Tensor) -> Tensor:
    """The mean over each text's positions.

    Args:
        x: (T, D).
        text: (T,) which text a position belongs to.
        length: (B,) positions of each.
    """
    total = x.new_zeros(len(length), x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))
    return total.index_add(0, text, x.to(total.dtype)) / length.clamp_min(1)[:, None]
