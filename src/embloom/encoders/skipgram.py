"""The two tables of word2vec: a vector for a word, and one for a word as a neighbour."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SkipGram(nn.Module):
    """Looks up the input vectors of words and the output vectors of their neighbours and of noise words.

    Outputs: `embedding` (B, L, D), the words as centres; `context` (B, L, D), the same words as neighbours;
    `negative` (B, K, D), noise words; `output` (V, D), the whole output table, for losses over the vocabulary.
    The artifact keeps `embedding` and `output`.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: width of the vectors.
        sparse: gradients name only the rows that a batch touched. Dense ones move whole tables every step.

    Raises:
        ValueError: the width is below 1.
    """

    # Which of the dataset's columns names the rows of a table.
    rows = {"embedding": "token", "output": "token"}  # noqa: RUF012

    def __init__(self, sizes: Mapping[str, int], dim: int = 100, sparse: bool = True) -> None:
        super().__init__()
        if not isinstance(dim, int) or dim < 1:
            raise ValueError(f"encoder.dim={dim}: it must be a whole number of at least 1")
        count = sizes["token"]
        # word2vec's own start: scores are 0, so that every probability is 1/2.
        self.embedding = nn.Parameter(torch.empty(count, dim).uniform_(-0.5 / dim, 0.5 / dim))
        self.output = nn.Parameter(torch.zeros(count, dim))
        self.sparse = sparse
        self.sizes = {"embedding": dim, "context": dim, "negative": dim, "output": dim}

    def embedding_layers(self) -> dict[str, Tensor | None]:
        """The tables that the artifact keeps."""
        return {"embedding": self.embedding, "output": self.output}

    def forward(self, token: Tensor, negative_token: Tensor | None = None) -> dict[str, Tensor]:
        """Word numbers (B, L) and noise word numbers (B, K) -> the outputs above; see the class."""
        center = F.embedding(token, self.embedding, sparse=self.sparse)
        if negative_token is None:
            return {"embedding": center, "output": self.output}
        # One lookup of both: two would give two gradients for one table, and their sum is a copy.
        words = torch.cat([token, negative_token], 1)
        context, negative = F.embedding(words, self.output, sparse=self.sparse).split(
            [token.shape[1], negative_token.shape[1]], 1
        )
        return {"embedding": center, "context": context, "negative": negative, "output": self.output}
