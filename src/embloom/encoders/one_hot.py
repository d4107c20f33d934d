"""Bags of words as they are: a dimension for each word, the baseline that every dense embedding has to beat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from embloom.assembly.parameters import choices, positive_integers
from embloom.encoders.base import Encoder

WEIGHTINGS = ("counts", "binary", "tfidf")
MOST = 1 << 32  # bytes of the texts' vectors, which probes hold whole


class OneHot(Encoder):
    """The sum of the one-hot vectors of a text's words: how often it has each of the most frequent words.

    For `dataset=labelled_text`. Nothing is trained. Vectors are as wide as `words`, since a probe holds those of all
    texts: what all words together are worth, `encoder=bag_of_embeddings` tells, whose layers are linear in them.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        words: so many of the most frequent words, or all where there are fewer; the others are left out.
        weighting: `counts`, how often a text has a word; `binary`, whether it has it; `tfidf`, (1 + log count)
            log(texts / texts that have it), each text of length 1 (Salton and Buckley 1988).

    Raises:
        ValueError: an option is unknown or out of range, or the dataset has no words; on `fit`, the vectors of all
            texts would not fit into memory.
    """

    scale: Tensor
    rows: ClassVar[Mapping[str, str]] = {}

    def __init__(self, sizes: Mapping[str, int], words: int = 5000, weighting: str = "tfidf") -> None:
        super().__init__()
        positive_integers(words=words)
        choices(WEIGHTINGS, weighting=weighting)
        if "token" not in sizes or "length" not in sizes:
            raise ValueError("encoder=one_hot reads texts: choose dataset=labelled_text")
        self.weighting, self.width = weighting, min(words, sizes["token"])
        self.register_buffer("scale", torch.ones(self.width))
        self.sizes = {"embedding": self.width}

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Counts in how many texts each word is."""
        texts, found = 0, torch.zeros(self.width, device=self.scale.device)
        for batch in batches:
            texts += len(batch["length"])
            if 4 * texts * self.width > MOST:
                fitting = MOST // (4 * texts)
                raise ValueError(
                    f"encoder.words={self.width}: the vectors of {texts:,} texts and more would take over "
                    f"{MOST >> 30} GiB: use encoder.words={fitting // 2} or fewer"
                )
            found += (self.counts(batch["token"], batch["length"]) > 0).sum(0)
        if self.weighting == "tfidf":
            self.scale.copy_(math.log(max(1, texts)) - found.clamp(min=1).log())

    def forward(self, token: Tensor, length: Tensor) -> dict[str, Tensor]:
        """Words of all texts in a row (T,) and how many each text has (B,) -> `embedding` (B, words)."""
        counts = self.counts(token, length)
        if self.weighting == "binary":
            counts = (counts > 0).to(counts)
        elif self.weighting == "tfidf":
            weighted = torch.where(counts > 0, 1 + counts.clamp(min=1).log(), 0.0) * self.scale
            counts = torch.nn.functional.normalize(weighted, dim=1)
        return {"embedding": counts}

    def counts(self, token: Tensor, length: Tensor) -> Tensor:
        """(T,), (B,) -> (B, words)."""
        text = torch.repeat_interleave(length, output_size=len(token))
        kept = (token < self.width).to(self.scale)
        place = text * self.width + token.clamp(max=self.width - 1)
        found = self.scale.new_zeros(len(length) * self.width).index_add_(0, place, kept)
        return found.view(len(length), self.width)
