"""Skip-gram whose words are made of their characters, so that words that were never seen have vectors too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from embloom.assembly.parameters import positive_integers
from embloom.encoders.lookup import fast_dtype
from embloom.encoders.ragged import means
from embloom.encoders.skipgram import DTYPES, SkipGram
from embloom.encoders.spelled_words import spelled_words
from embloom.files.character_ngrams import character_ngrams

SEPARATOR = "\0"  # between the words of `spelling`


class SubwordSkipGram(SkipGram):
    """Skip-gram with character n-grams (Bojanowski et al. 2017): a word's input vector is the mean of its own row and
    those of its n-grams, hashed into buckets as fastText does it. Output vectors are of whole words.

    Outputs as those of `SkipGram`. The artifact keeps the rows of words and buckets, and `output`; `embedding` (V, D)
    is computed from them. `spelled` makes the vectors of other words.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: width of the vectors.
        buckets: rows that all n-grams share; fastText's own default is 2,000,000.
        shortest, longest: characters of an n-gram, the marks `<` and `>` around a word included.
        sparse, dtype: see `SkipGram`.
        spelling: the words in order, in UTF-8, with a zero byte between them; the dataset's.

    Raises:
        ValueError: a number is out of range, or the dataset has no words.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        dim: int = 100,
        buckets: int = 200_000,
        shortest: int = 3,
        longest: int = 6,
        sparse: bool = True,
        dtype: str = "auto",
        spelling: Tensor | None = None,
    ) -> None:
        positive_integers(buckets=buckets, shortest=shortest, longest=longest)
        if longest < shortest:
            raise ValueError(f"longest={longest} must be at least encoder.shortest={shortest}")
        if spelling is None:
            raise ValueError("encoder=subword_skipgram reads the letters of words: choose dataset=text")
        super().__init__(sizes, dim, sparse, dtype)
        del self.embedding
        self.buckets, self.shortest, self.longest, self.count = buckets, shortest, longest, sizes["token"]
        self.inputs = nn.Parameter(torch.empty(self.count + buckets, dim).uniform_(-1 / dim, 1 / dim))
        self.spelling = spelling

    def tables(self) -> dict[str, Tensor]:
        """The vectors of all words, computed, and the output table."""
        parts, offsets = self.rows_of_words()
        return {"embedding": means(self.inputs.detach(), parts, offsets), "output": self.output}

    def layers(self) -> list[str]:
        """See `Encoder`."""
        return ["embedding", "output"]

    def forward(self, token: Tensor, context_token: Tensor | None = None) -> dict[str, Tensor]:
        """Token ids (B, L) and (B, C) -> the outputs of `SkipGram`."""
        short = self.training and self.inputs.dtype == torch.float32
        dtype = DTYPES[self.dtype] or fast_dtype(self.inputs.device) if short else self.inputs.dtype
        center = spelled_words(token, self.inputs, *self.rows_of_words(), self.sparse, dtype)
        outputs = {"embedding": center, "center": center, "output": self.output}
        if context_token is not None:
            outputs["context"] = self.rows_of(self.output, context_token)
        return outputs

    @torch.no_grad()
    def spelled(self, words: Sequence[str]) -> Tensor:
        """Words that are not in the vocabulary -> (N, D), the means of their n-grams' rows; 0 for a word too short to
        have any."""
        parts, offsets = self.ngrams([word.encode(errors="replace") for word in words])
        where = self.inputs.device
        return means(self.inputs, (parts + self.count).to(where), offsets.to(where))

    def ngrams(self, words: Sequence[bytes]) -> tuple[Tensor, Tensor]:
        """Buckets (P,) and offsets (N + 1,) of some words."""
        parts, offsets = character_ngrams(words, self.shortest, self.longest, self.buckets)
        return torch.from_numpy(parts), torch.from_numpy(offsets)

    def rows_of_words(self) -> tuple[Tensor, Tensor]:
        """The rows (P,) of all words of the vocabulary, and offsets (V + 1,)."""
        parts, offsets = self.spelt
        where = self.inputs.device
        if parts.device != where:
            self.spelt = parts, offsets = parts.to(where), offsets.to(where)
        return parts, offsets

    @cached_property
    def spelt(self) -> tuple[Tensor, Tensor]:
        """See `rows_of_words`; on the CPU at first."""
        words = self.spelling.cpu().numpy().tobytes().split(SEPARATOR.encode())
        if len(words) != self.count:
            raise ValueError(f"the spelling of {len(words)} words does not fit a vocabulary of {self.count}")
        parts, offsets = (x.numpy() for x in self.ngrams(words))
        own = np.insert(parts + self.count, offsets[:-1], np.arange(self.count))
        return torch.from_numpy(own), torch.from_numpy(offsets + np.arange(self.count + 1))


def spelling_of(words: Sequence[str]) -> Tensor:
    """Words as one tensor of bytes (T,)."""
    data = SEPARATOR.join(word.replace(SEPARATOR, " ") for word in words).encode(errors="replace")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)
