"""Word vectors that are computed: singular vectors of positive pointwise mutual information."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers, positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.interaction_matrix import InteractionMatrix, csr, singular_vectors, stretch
from embloom.files.memory import bytes_available

COLUMNS = ("token", "context_token", "count")
PART = 1 << 22  # pairs that are sorted together
SORTING = 110  # bytes for each of those
ROOM = 40  # bytes a pair, with the sparse matrix and its transpose


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
        ValueError: an option is out of range, or the vocabulary is too small; on `fit`, no pair stands together so
            often, or there are too many to be held.
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
        pairs = Pairs.read(batches, words)
        seen = pairs.totals(pairs.word).log()
        contexts = pairs.totals(pairs.context).pow(self.smoothing)
        expected = (contexts / contexts.sum()).log() + math.log(self.shift)
        matrix = InteractionMatrix(pairs.information(seen, expected), pairs.turned().information(expected, seen))
        if not len(matrix.by_user.values()):
            raise ValueError(f"encoder.shift={self.shift:g}: no pair stands together so often; lower it")
        del pairs
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


@dataclass(frozen=True)
class Pairs:
    """How often words stand together, 12 bytes a pair, in any order; a pair may be there several times.

    Attributes:
        word: (P,) int32, and `context` likewise.
        count: (P,) float32.
        words: how many there are.
    """

    word: Tensor
    context: Tensor
    count: Tensor
    words: int

    @classmethod
    def read(cls, batches: Iterable[Mapping[str, Tensor]], words: int) -> Pairs:
        """All of them, from batches of `token`, `context_token` and `count`.

        Raises:
            ValueError: they would take more memory than there is.
        """
        parts: list[list[Tensor]] = [[], [], []]
        most, seen = bytes_available(), 0
        for batch in batches:
            seen += len(batch["count"])
            if ROOM * seen + SORTING * min(seen, PART) > most:
                raise ValueError(
                    f"encoder=ppmi_svd: more than {seen:,} pairs of words do not fit into {most / 2**30:.0f} GiB: use "
                    "dataset.max_vocab=20000, or a larger dataset.min_count"
                )
            for part, name, kind in zip(parts, COLUMNS, (torch.int32, torch.int32, torch.float32), strict=True):
                part.append(batch[name].to(kind))
        found = []
        while parts:  # one after the other, so that only one is there twice
            found.append(torch.cat(parts.pop(0)))
        word, context, count = found
        return cls(word, context, count, words)

    def turned(self) -> Pairs:
        """With contexts as words."""
        return Pairs(self.context, self.word, self.count, self.words)

    def totals(self, column: Tensor) -> Tensor:
        """(words,) float64, the counts of each word of a column."""
        found = torch.zeros(self.words, dtype=torch.float64, device=column.device)
        for rows, counts in zip(column.split(PART), self.count.split(PART), strict=True):
            found.index_add_(0, rows, counts.double())
        return found

    def information(self, seen: Tensor, expected: Tensor) -> Tensor:
        """(words, words) sparse, `log(count) - seen[word] - expected[context]` where that is above 0.

        Args:
            seen: (words,) float64.
            expected: (words,) float64.
        """
        lengths = torch.zeros_like(seen, dtype=torch.long)
        columns, values = [self.word[:0]], [self.count[:0]]
        for first, last in self.ranges():
            some = ((self.word >= first) & (self.word < last)).nonzero().flatten()
            place = self.word[some].long() * self.words + self.context[some]
            ordered, order = place.sort(stable=True)
            once, number = ordered.unique_consecutive(return_inverse=True)
            total = seen.new_zeros(len(once)).index_add_(0, number, self.count[some[order]].double())
            word, context = once // self.words, once % self.words
            found = (total.log() - (seen[word] + expected[context])).float()
            kept = found > 0
            lengths += torch.bincount(word[kept], minlength=self.words)
            columns.append(context[kept].int())
            values.append(found[kept])
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return csr(offsets, torch.cat(columns), torch.cat(values), self.words)

    def ranges(self) -> list[tuple[int, int]]:
        """Neighboring words that have about `PART` pairs together."""
        ends = torch.bincount(self.word, minlength=self.words).cumsum(0)
        steps = torch.arange(PART, int(ends[-1]) + PART, PART, device=ends.device)
        cuts = (torch.searchsorted(ends, steps) + 1).clamp(max=self.words).unique().tolist()
        return list(pairwise([0, *cuts]))
