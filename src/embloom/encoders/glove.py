"""GloVe's two tables and their biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from embloom.assembly.parameters import positive_integers
from embloom.encoders.base import Encoder


class GloVe(Encoder):
    """A vector and a bias for each word, and others for it as a context word.

    `embedding` is the sum of both vectors, which is better than either (Pennington et al. 2014, section 4.2). For the
    loss there are the whole tables: `word` and `context` (V, D), `word_bias` and `context_bias` (V, 1).

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: width of the vectors.

    Raises:
        ValueError: the width is below 1.
    """

    rows: ClassVar[Mapping[str, str]] = {"embedding": "token", "word": "token", "context": "token"}
    sparse = True
    embedding: Tensor

    def __init__(self, sizes: Mapping[str, int], dim: int = 100) -> None:
        super().__init__()
        positive_integers(dim=dim)
        count = sizes["token"]
        self.word, self.context = (nn.Parameter(torch.empty(count, dim)) for _ in range(2))
        self.word_bias, self.context_bias = (nn.Parameter(torch.empty(count, 1)) for _ in range(2))
        for table in self.parameters():  # as the authors' program
            nn.init.uniform_(table, -0.5 / dim, 0.5 / dim)
        # Kept with the weights, so that whoever starts from them finds the sum.
        self.register_buffer("embedding", self.word.detach() + self.context.detach())
        self.register_state_dict_pre_hook(added_up)
        self.sizes = {"embedding": dim, "word": dim, "context": dim, "word_bias": 1, "context_bias": 1}

    def tables(self) -> dict[str, Tensor]:
        """The sum of both vectors, and each."""
        added_up(self)
        return {"embedding": self.embedding, "word": self.word, "context": self.context}

    def activations(self) -> list[str]:
        """None: what it returns of a batch are rows of the table."""
        return []

    def forward(self, token: Tensor, context_token: Tensor | None = None) -> dict[str, Tensor]:
        """Token ids of any shape -> `embedding`, their rows; of pairs the tables, of which the loss takes the rows."""
        if context_token is None:
            return {"embedding": self.word[token] + self.context[token]}
        return {name: getattr(self, name) for name in ("word", "context", "word_bias", "context_bias")}


@torch.no_grad()
def added_up(encoder: Any, *_: Any) -> None:
    """Brings the sum of both vectors up to date."""
    torch.add(encoder.word, encoder.context, out=encoder.embedding)
