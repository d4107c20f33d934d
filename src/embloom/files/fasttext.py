"""fastText's own binary models, `.bin`: plain numbers, read with every length checked against the file's."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.files.character_ngrams import character_ngrams

MAGIC = struct.pack("<i", 793712314)
VERSION = 12
HEADER = "<ii12id"  # magic, version, 12 arguments, a threshold
DICTIONARY = "<iiiqq"  # entries, words, labels, tokens, pruned buckets
LONGEST_WORD = 1 << 12  # bytes
LARGEST_DIM = 1 << 16
END = "</s>"  # fastText's end of a line, which has no n-grams
WORDS = 10_000  # spelled out together, which bounds memory


@dataclass
class FastText:
    """A model.

    Attributes:
        words: the vocabulary, the most frequent first.
        rows: (words + buckets, D), of words, then of n-grams; memory-mapped.
        buckets, shortest, longest: see `character_ngrams`.
    """

    words: list[str]
    rows: NDArray[np.float32]
    buckets: int
    shortest: int
    longest: int

    def vectors(self) -> Tensor:
        """Those of the vocabulary, (N, D)."""
        parts = [
            self.means(self.words[start : start + WORDS], range(start, len(self.words)))
            for start in range(0, len(self.words), WORDS)
        ]
        return torch.cat(parts)

    def spelled(self, words: Sequence[str]) -> Tensor:
        """Those of other words, (N, D), from their n-grams; 0 where there is none."""
        return self.means(words, None)

    def means(self, words: Sequence[str], own: range | None) -> Tensor:
        """Of each word the mean of its own row, if it has one, and those of its n-grams."""
        spelled = [b"" if own is not None and word == END else word.encode(errors="replace") for word in words]
        parts, offsets = character_ngrams(spelled, self.shortest, self.longest, max(1, self.buckets))
        if not self.buckets or not self.longest:
            parts, offsets = parts[:0], np.zeros_like(offsets)
        found = np.zeros((len(words), self.rows.shape[1]), np.float32)
        for place, word in enumerate(words):
            some = parts[offsets[place] : offsets[place + 1]].tolist()
            if own is not None and word == END:
                some = []
            numbers = [*([own[place]] if own is not None else []), *(len(self.words) + n for n in some)]
            if numbers:
                found[place] = self.rows[numbers].sum(0, dtype=np.float32) / len(numbers)
        return torch.from_numpy(found)


def read_fasttext(path: Path) -> FastText:
    """Reads a model of word vectors that fastText (from 2017 on) or gensim's `save_facebook_model` wrote.

    Raises:
        ValueError: the file is damaged, cut short, of an older version, or quantized.
    """
    size = path.stat().st_size
    data = np.memmap(path, np.uint8, "r")
    place = struct.calcsize(HEADER)
    _, version, *arguments, _ = unpacked(data, HEADER, 0, path)
    dim, buckets, shortest, longest = (int(arguments[i]) for i in (0, 8, 9, 10))
    if version != VERSION:
        raise ValueError(f"{path} has fastText's format {version}, and {VERSION} can be read: use its .vec file")
    entries, words, _, _, pruned = (int(n) for n in unpacked(data, DICTIONARY, place, path))
    if pruned > 0:
        raise ValueError(f"{path} is quantized, and only whole models can be read: use the .bin from before")
    if not (0 < dim <= LARGEST_DIM and buckets >= 0 and 0 < words <= entries <= size and shortest >= 0):
        raise damaged(path)
    if longest > 0 and not (1 <= shortest <= longest <= LONGEST_WORD):
        raise damaged(path)
    if (words + buckets) * dim * 4 > size:
        raise damaged(path)
    names, place = entry_names(data, place + struct.calcsize(DICTIONARY), entries, words, path)
    quantized, count, width = unpacked(data, "<?qq", place, path)
    if quantized:
        raise ValueError(f"{path} is quantized, and only whole models can be read: use the .bin from before")
    place += struct.calcsize("<?qq")
    if width != dim or count != words + buckets or place + 4 * count * dim > size:
        raise damaged(path)
    rows = np.frombuffer(data, "<f4", count * dim, place).reshape(count, dim)
    if not all(np.isfinite(part).all() for part in np.array_split(rows, max(1, count // WORDS))):
        raise ValueError(f"{path} holds NaN or an infinite number")
    return FastText(names, rows, buckets if longest > 0 else 0, max(1, shortest), max(0, longest))


def entry_names(data: NDArray[np.uint8], place: int, entries: int, words: int, path: Path) -> tuple[list[str], int]:
    """The words of the dictionary, and where it ends. An entry is a text, a zero byte, a count and what it is."""
    names = []
    for _ in range(entries):
        text = data[place : place + LONGEST_WORD].tobytes()
        end = text.find(b"\0")
        if end < 0 or place + end + 10 > len(data):
            raise damaged(path)
        place += end + 1 + 9
        if data[place - 1] == 0:
            names.append(text[:end].decode(errors="replace"))
    if len(names) != words:
        raise damaged(path)
    return names, place


def unpacked(data: NDArray[np.uint8], form: str, place: int, path: Path) -> tuple[int, ...]:
    """Some numbers at a place.

    Raises:
        ValueError: the file ends before.
    """
    size = struct.calcsize(form)
    if place + size > len(data):
        raise damaged(path)
    return struct.unpack(form, data[place : place + size].tobytes())


def damaged(path: Path) -> ValueError:
    """What is said of a file that holds something else than it announces."""
    return ValueError(f"{path} is damaged or cut short: it does not hold what a fastText model announces")
