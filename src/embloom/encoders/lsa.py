"""Texts without training: singular vectors of which words and word n-grams stand in which texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, numbers, positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.interaction_matrix import InteractionMatrix, singular_vectors
from embloom.encoders.ngrams import MOST, ngrams_of, once

BUCKETS = 1 << 24  # while they are counted; what is kept has a row of its own
CHUNK = 2048  # texts at a time
NONE = 2**62  # the number of a row that is not used


class LSA(Encoder):
    """Latent semantic analysis (Deerwester et al. 1990): rows of X V, where U S V^T is the truncated singular value
    decomposition of the matrix X of texts by words and n-grams, centered and scaled to a mean square of 1.

    An entry of X is log(N / df), for a word or n-gram that stands in the text, however often, and in df of N texts;
    each row of X has length 1. Nothing in it is trained: `fit` computes it, from labelled and unlabelled texts alike.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: how many singular vectors.
        ngrams: words of the longest n-gram.
        min_texts: what stands in fewer texts is left out.
        max_share: and what stands in more than this part of them, which says little and weighs much.
        features: keep at most so many words and n-grams, those in most texts.
        iterations: of the subspace; more of them make the last vectors more exact.

    Raises:
        ValueError: an option is out of range; on `fit`, there is too little text.
    """

    numbers: Tensor
    rarity: Tensor
    vectors: Tensor
    mean: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        dim: int = 32,
        ngrams: int = 2,
        min_texts: int = 20,
        max_share: float = 0.1,
        features: int = 1 << 17,
        iterations: int = 3,
    ) -> None:
        super().__init__()
        if "token" not in sizes or "length" not in sizes:
            raise ValueError("encoder=lsa reads texts: choose dataset=labelled_text")
        positive_integers(dim=dim, min_texts=min_texts, features=features)
        integers(1, ngrams=ngrams)
        integers(0, iterations=iterations)
        numbers(above=0, at_most=1, max_share=max_share)
        if ngrams > MOST:
            raise ValueError(f"ngrams={ngrams}: at most {MOST} words")
        self.words, self.ngrams, self.iterations = sizes["token"], ngrams, iterations
        self.min_texts, self.max_share = min_texts, max_share
        self.register_buffer("numbers", torch.full((features,), NONE))
        self.register_buffer("rarity", torch.zeros(features))
        self.register_buffer("vectors", torch.zeros(features, dim))
        self.register_buffer("mean", torch.zeros(dim))
        self.sizes = {"embedding": dim}

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes everything from the texts `token` (T,), `length` (B,) of all batches."""
        texts = [(batch["token"].int(), batch["length"]) for batch in batches]
        token, length = torch.cat([part for part, _ in texts]), torch.cat([part for _, part in texts])
        self.choose(token, length)
        entries, done = [], 0
        for some, lengths in in_chunks(token, length):
            row, column, values = self.entries(some, lengths)
            entries.append((row + done, column, values))
            done += len(lengths)
        rows, columns, values = (torch.cat(parts) for parts in zip(*entries, strict=True))
        shape = (len(length), len(self.numbers))
        matrix = InteractionMatrix.of_entries(rows, columns, values, shape)
        dim = min(len(self.mean), len(length), int((self.numbers < NONE).sum()))
        _, vectors = singular_vectors(matrix, dim, self.iterations)
        found = matrix.by_user @ vectors
        scale = found.var(0).mean().sqrt().clamp_min(1e-12)
        self.vectors[:, :dim] = vectors / scale
        self.mean[:dim] = found.mean(0) / scale

    def choose(self, token: Tensor, length: Tensor) -> None:
        """Finds out which words and n-grams stand in enough texts, and in how many."""
        rows = self.words + BUCKETS
        counts = torch.zeros(rows, dtype=torch.int32, device=token.device)
        for some, lengths in in_chunks(token, length):
            _, number = self.sets(some, lengths)
            counts.index_add_(0, number, torch.ones_like(number, dtype=torch.int32))
        counts[counts > self.max_share * len(length)] = 0
        if int(counts.max()) < self.min_texts:
            raise ValueError(
                f"encoder.min_texts={self.min_texts}, encoder.max_share={self.max_share:g}: no word stands in so many "
                f"of the {len(length):,} texts: lower the one, or raise the other"
            )
        kept = (counts >= self.min_texts).nonzero().flatten()
        if len(kept) > len(self.numbers):
            most = counts[kept].argsort(descending=True, stable=True)[: len(self.numbers)]
            kept = kept[most].sort().values
        self.numbers.fill_(NONE)
        self.numbers[: len(kept)] = kept
        self.rarity[: len(kept)] = (len(length) / counts[kept].float()).log()

    def sets(self, token: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Of some texts: text, number of a word or n-gram (Q,), each once a text."""
        found = ngrams_of(token, length, self.ngrams, self.words, BUCKETS)
        return once(*found, self.words + BUCKETS)

    def entries(self, token: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of some texts the entries of X: row, column, value (Q,)."""
        text, number = self.sets(token, length)
        column = torch.searchsorted(self.numbers, number).clamp_max(len(self.numbers) - 1)
        known = self.numbers[column] == number
        text, column = text[known], column[known]
        values = self.rarity[column]
        size = values.new_zeros(len(length)).index_add_(0, text, values.square()).sqrt()
        return text, column, values / size.clamp_min(1e-12)[text]

    def forward(self, token: Tensor, length: Tensor) -> dict[str, Tensor]:
        """Words of all texts in a row (T,) and how many each text has (B,) -> `embedding` (B, D)."""
        text, column, values = self.entries(token, length)
        found = self.vectors.new_zeros(len(length), len(self.mean))
        found.index_add_(0, text, self.vectors[column] * values[:, None])
        return {"embedding": found - self.mean}


def in_chunks(token: Tensor, length: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Words and lengths of some texts at a time."""
    lengths = length.split(CHUNK)
    return zip(token.split([int(part.sum()) for part in lengths]), lengths, strict=True)
