"""The two tables of word2vec: a vector for a word, and one for a word as a neighbor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from embloom.assembly.parameters import choices, positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.lookup import fast_dtype, lookup

DTYPES = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16}


class SkipGram(Encoder):
    """Looks up the input vectors of words and the output vectors of their neighbors and of noise words.

    Outputs: `embedding` (B, L, D), the words' input vectors, called `center` too; `context` (B, C, D), output
    vectors of neighbors and noise words; `output` (V, D), the whole output table, for losses over the
    vocabulary. The artifact keeps `embedding` and `output`.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: width of the vectors.
        sparse: gradients name only the rows that a batch touched. Dense ones move whole tables every step.
        dtype: in which the rows reach the losses in training: `float32`, `bfloat16`, or `auto`, which is bfloat16
            where the device multiplies that natively. The tables, and outputs in evaluation, are float32.

    Raises:
        ValueError: the width is below 1, or the dtype is unknown.
    """

    rows: ClassVar[Mapping[str, str]] = {"embedding": "token", "output": "token"}
    nested: ClassVar[tuple[str, ...]] = ("embedding", "center", "context", "output")

    def __init__(self, sizes: Mapping[str, int], dim: int = 100, sparse: bool = True, dtype: str = "auto") -> None:
        super().__init__()
        positive_integers(dim=dim)
        choices(DTYPES, dtype=dtype)
        count = sizes["token"]
        # word2vec's own start: scores are 0, so that every probability is 1/2.
        self.embedding = nn.Parameter(torch.empty(count, dim).uniform_(-0.5 / dim, 0.5 / dim))
        self.output = nn.Parameter(torch.zeros(count, dim))
        self.sparse, self.dtype = sparse, dtype
        self.sizes = {"embedding": dim, "center": dim, "context": dim, "output": dim}

    def tables(self) -> dict[str, Tensor]:
        """Both tables."""
        return {"embedding": self.embedding, "output": self.output}

    def activations(self) -> list[str]:
        """None: what it returns of a batch are rows of the tables."""
        return []

    def forward(self, token: Tensor, context_token: Tensor | None = None) -> dict[str, Tensor]:
        """Token ids (B, L) and (B, C) -> the outputs above; see the class."""
        center = self.rows_of(self.embedding, token)
        outputs = {"embedding": center, "center": center, "output": self.output}
        if context_token is not None:
            outputs["context"] = self.rows_of(self.output, context_token)
        return outputs

    def rows_of(self, table: Tensor, numbers: Tensor) -> Tensor:
        """A table's rows, in the dtype that is wanted."""
        short = self.training and table.dtype == torch.float32
        return lookup(numbers, table, self.sparse, DTYPES[self.dtype] or fast_dtype(table.device) if short else None)
