"""Texts to the numbers of their words in a vocabulary, for datasets and for new texts alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.data.tokenize import BREAK, Block, BlockTokenizer, TextOptions

TEXTS = 10_000  # tokenized together, which bounds the memory beside the result


class Words:
    """Turns texts into word numbers.

    Args:
        options: how a text is cut into words; `options.document` does not matter, a text is a document.
        vocabulary: the words that are numbered, in order; others are left out. None: every word, see `counted`.
    """

    def __init__(self, options: TextOptions, vocabulary: Sequence[str] | None = None) -> None:
        self.tokenizer = BlockTokenizer(options)
        self.known = None if vocabulary is None else {word: number for number, word in enumerate(vocabulary)}
        self.place = np.zeros(0, np.int64)

    @classmethod
    def described(cls, about: Mapping[str, Any], vocabulary: Sequence[str]) -> Words:
        """From what an artifact's card says of its texts."""
        options = TextOptions(about["pattern"], about["lowercase"], "line", about.get("tokenizer"))
        return cls(options, vocabulary)

    def __call__(self, texts: Iterable[str]) -> dict[str, Tensor]:
        """Texts -> `token`, the numbers (T,) of all their words, and `length`, the words of each text (N,)."""
        parts = [self.of_some(some) for some in batched(texts, TEXTS)]
        tokens = np.concatenate([ids for ids, _ in parts]) if parts else np.zeros(0, np.int32)
        lengths = np.concatenate([found for _, found in parts]) if parts else np.zeros(0, np.int64)
        return {"token": torch.from_numpy(tokens), "length": torch.from_numpy(lengths)}

    def of_some(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Word numbers of texts that fit into memory, and how many words each has."""
        data = "\n".join(text.replace("\n", " ") for text in texts).encode(errors="replace")
        ids = self.tokenizer(Block(data, starts_document=True))
        word = self.numbers()[ids]
        text = np.cumsum(ids == BREAK) - 1
        keep = word >= 0
        return word[keep].astype(np.int32), np.bincount(text[keep], minlength=len(texts))

    def numbers(self) -> NDArray[np.int64]:
        """For each word that the tokenizer has met, its number in the vocabulary, or -1."""
        met = self.tokenizer.words
        if self.known is None:
            return np.arange(-1, len(met) - 1)
        fresh = islice(met, len(self.place), None)
        found = np.fromiter((self.known.get(word, -1) for word in fresh), np.int64)
        self.place = np.concatenate([self.place, found])
        if len(self.place):
            self.place[BREAK] = -1
        return self.place


def counted(
    tokens: Tensor, words: Sequence[str], min_count: int, max_vocab: int | None, max_share: float = 1.0
) -> tuple[list[str], Tensor]:
    """A vocabulary of the words that occur often enough, the most frequent first, alphabetically among equals.

    Returns:
        The words, and for each old number the new one, or -1.

    Raises:
        ValueError: no word occurs `min_count` times.
    """
    counts = torch.bincount(tokens.long(), minlength=len(words)).tolist()
    most = max_share * len(tokens)
    kept = sorted(
        (-count, word, number)
        for number, (word, count) in enumerate(zip(words, counts, strict=True))
        if min_count <= count <= most
    )
    if not kept:
        raise ValueError(f"no word occurs dataset.min_count={min_count} times or more: use a smaller one, or more text")
    kept = kept[:max_vocab]
    place = torch.full((len(words),), -1)
    place[torch.tensor([number for _, _, number in kept])] = torch.arange(len(kept))
    return [word for _, word, _ in kept], place


def renumbered(columns: Mapping[str, Tensor], place: Tensor) -> dict[str, Tensor]:
    """`token` and `length` with other word numbers, without the words that have none."""
    token = place[columns["token"].long()]
    text = torch.repeat_interleave(torch.arange(len(columns["length"])), columns["length"])
    keep = token >= 0
    return {
        "token": token[keep].int(),
        "length": torch.bincount(text[keep], minlength=len(columns["length"])),
    }


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of up to `size` items."""
    stream = iter(items)
    while some := list(islice(stream, size)):
        yield some
