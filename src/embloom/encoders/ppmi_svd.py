"""Word vectors that are computed: singular vectors of positive pointwise mutual information."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers, positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.interaction_matrix import InteractionMatrix, singular_vectors, stretch


class PPMISVD(Encoder):
    """Rows of U S^exponent, where U S V^T is the truncated singular value decomposition of
    max(0, log(P(w, c) / (P(w) P(c)^smoothing)) - log shift) (Levy, Goldberg and Dagan 2015, sections 2 and 3).

    Nothing in it is trained: `fit` computes it from how often words stand together (`dataset=cooccurrences`).

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: how many singular vectors.
        shift: pairs must stand together so many times as often as by chance to count; skip-gram's number of noise
            words.
        smoothing: power of contexts' counts: below 1, rare contexts say less.
        exponent: of the singular values.
        iterations: of the subspace; more of them make the last vectors more exact.

    Raises:
        ValueError: an option is out of range, or the vocabulary is too small.
    """

    rows: ClassVar[Mapping[str, str]] = {"embedding": "token"}
    embedding: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        dim: int = 100,
        shift: float = 1.0,
        smoothing: float = 0.75,
        exponent: float = 0.5,
        iterations: int = 4,
    ) -> None:
        super().__init__()
        positive_integers(dim=dim)
        integers(0, iterations=iterations)
        numbers(above=0, shift=shift)
        numbers(at_least=0, at_most=1, smoothing=smoothing)
        numbers(at_least=-2, at_most=2, exponent=exponent)
        count = sizes["token"]
        if dim > count:
            raise ValueError(f"dim={dim}: there are only {count} words")
        self.shift, self.smoothing, self.exponent, self.iterations = shift, smoothing, exponent, iterations
        self.register_buffer("embedding", torch.zeros(count, dim))
        self.sizes = {"embedding": dim}

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes the table from pairs `token` (B,), `context_token` (B,) that count `count` (B,); a pair may come
        several times, and its counts add up."""
        words, dim = self.embedding.shape
        word, context, counts = added_up(batches, words)
        total = counts.new_zeros(words).double().index_add_(0, word, counts.double())
        contexts = counts.new_zeros(words).double().index_add_(0, context, counts.double()).pow(self.smoothing)
        expected = total.log()[word] + (contexts / contexts.sum()).log()[context] + math.log(self.shift)
        information = counts.double().log().sub_(expected).float()
        kept = information > 0
        if not kept.any():
            raise ValueError(f"encoder.shift={self.shift:g}: no pair stands together so often; lower it")
        word, context, information = word[kept], context[kept], information[kept]
        matrix = InteractionMatrix.of_entries(word, context, information, (words, words))
        values, vectors = singular_vectors(matrix, dim, self.iterations)
        self.embedding.copy_(matrix.by_user @ (vectors * stretch(values, self.exponent)))

    def tables(self) -> dict[str, Tensor]:
        """The vectors of words."""
        return {"embedding": self.embedding}

    def activations(self) -> list[str]:
        """None: what it returns of a batch are rows of the table."""
        return []

    def forward(
        self, token: Tensor, context_token: Tensor | None = None, count: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Token ids of any shape -> `embedding`, their rows; the other columns are for `fit`."""
        return {"embedding": self.embedding[token]}


def added_up(batches: Iterable[Mapping[str, Tensor]], words: int) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs, each once, by their first word and then their second: words (P,), contexts (P,), counts (P,)."""
    pairs, counts = [], []
    for batch in batches:
        pairs.append(batch["token"] * words + batch["context_token"])
        counts.append(batch["count"])
    ordered, order = torch.cat(pairs).sort()
    once, place = ordered.unique_consecutive(return_inverse=True)
    total = torch.zeros(len(once), device=once.device).index_add_(0, place, torch.cat(counts)[order])
    return once // words, once % words, total
