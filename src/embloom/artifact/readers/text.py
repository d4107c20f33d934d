"""Texts to token ids, for datasets and for new texts alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.artifact.readers.base import Inputs, Part, Reader, column_of, in_parts, numbered
from embloom.artifact.readers.tokenizer import BREAK, PATTERN, Block, BlockTokenizer, TextOptions
from embloom.files.finding import files_at, opened
from embloom.files.tables import is_table, table_rows
from embloom.startup import option

TEXTS = 10_000  # tokenized together, which bounds the memory beside the result


class TextReader(Reader):
    """Turns texts into token ids.

    Args:
        pattern: see `TextOptions`, as `lowercase` and `tokenizer`.
        lowercase: fold the case.
        tokenizer: instead of the pattern.
        vocabulary: the words that are numbered, in order; others are left out. None: every word, see `counted`.
        keys: column -> names of its numbers, of which those of `token` are the vocabulary.
    """

    kind = "text"
    example = "['a text']"

    def __init__(
        self,
        pattern: str = PATTERN,
        lowercase: bool = True,
        tokenizer: str | None = None,
        vocabulary: Sequence[str] | None = None,
        keys: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.text = TextOptions(pattern, lowercase, "line", tokenizer)  # to a reader a text is a document
        self.tokenizer = BlockTokenizer(self.text)
        vocabulary = (keys or {}).get("token") if vocabulary is None else vocabulary
        self.known = None if vocabulary is None else {word: number for number, word in enumerate(vocabulary)}
        self.place = np.zeros(0, np.int64)

    def options(self) -> dict[str, Any]:
        """How texts are cut into words; the vocabulary is among the keys."""
        return {"pattern": self.text.pattern, "lowercase": self.text.lowercase, "tokenizer": self.text.tokenizer}

    def whole(self, inputs: Any, column: str | None = None) -> Any:
        """A column of texts as a list."""
        return column_of(inputs, column, "text")

    def open(self, path: str, column: str | None, size: int) -> Inputs:
        """A file with one text a line, a CSV file, or a folder or glob of files with one text each."""
        place = Path(path).expanduser()
        if place.is_file() and is_table(place):
            cells = table_rows(place, (column or "text",), f"name it with {option('column')}")
            return Inputs(numbered((row[0] for row in cells), size))
        if place.is_file():
            return Inputs(numbered(lines(place), size))
        files = files_at(path, "text file")
        return Inputs(file_parts(files, size), len(files))

    def files(self, path: str, column: str | None) -> list[Path] | None:
        """Files with one text each."""
        return None if Path(path).expanduser().is_file() else files_at(path, "text file")

    def of_files(self, files: Sequence[Path], size: int) -> Iterator[Part]:
        """Their texts."""
        return file_parts(files, size)

    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """Three texts of three, one and two words."""
        token = torch.arange(6) % max(1, len(self.known or {}))
        return {"token": (token, {0: "words"}), "length": (torch.tensor([3, 1, 2]), {0: "batch"})}

    def __call__(self, inputs: Iterable[str]) -> dict[str, Tensor]:
        """Texts -> `token`, the numbers (T,) of all their words, and `length`, the words of each text (N,)."""
        if not isinstance(inputs, str) and (odd := next((text for text in inputs if not isinstance(text, str)), None)):
            raise ValueError(f"texts are strings, and one of these is {type(odd).__name__}")
        parts = [self.of_some(some) for some in in_parts([inputs] if isinstance(inputs, str) else inputs, TEXTS)]
        tokens = np.concatenate([ids for ids, _ in parts]) if parts else np.zeros(0, np.int32)
        lengths = np.concatenate([found for _, found in parts]) if parts else np.zeros(0, np.int64)
        return {"token": torch.from_numpy(tokens), "length": torch.from_numpy(lengths)}

    def of_some(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Token ids of texts that fit into memory, and how many words each has."""
        data = "\n".join(text.replace("\n", " ") for text in texts).encode(errors="replace")
        ids = self.tokenizer(Block(data, starts_document=True))
        word = self.numbers()[ids]
        text = np.cumsum(ids == BREAK) - 1
        keep = word >= 0
        return word[keep].astype(np.int32), np.bincount(text[keep], minlength=len(texts))

    def unknown(self, texts: str | Sequence[str]) -> tuple[list[str], Tensor, Tensor]:
        """The words of texts that the vocabulary lacks, each once; for each time that one occurs its number among them
        and the number of its text."""
        texts = [texts] if isinstance(texts, str) else texts
        data = "\n".join(text.replace("\n", " ") for text in texts).encode(errors="replace")
        ids = self.tokenizer(Block(data, starts_document=True))
        where = np.flatnonzero((self.numbers()[ids] < 0) & (ids != BREAK))
        found, place = np.unique(ids[where], return_inverse=True)
        met = list(self.tokenizer.words)
        text = (np.cumsum(ids == BREAK) - 1)[where]
        return [met[number] for number in found], torch.from_numpy(place), torch.from_numpy(text)

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
    counts = torch.bincount(tokens, minlength=len(words)).tolist()
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
    """`token` and `length` with other token ids, without the words that have none."""
    # As int32 throughout: there may be very many words.
    token = place.int().index_select(0, columns["token"])
    keep = token >= 0
    kept = torch.cat([torch.zeros(1, dtype=torch.int32), keep.cumsum(0, dtype=torch.int32)])
    ends = torch.cat([torch.zeros(1, dtype=torch.int64), columns["length"].cumsum(0)])
    return {"token": token[keep], "length": kept[ends].diff().long()}


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file; an empty one is a text too."""
    with opened(path) as file:
        for line in file:
            yield line.rstrip("\r\n")


def file_parts(files: Sequence[Path], size: int) -> Iterator[Part]:
    """One text a file."""
    for some in in_parts(files, size):
        texts = []
        for file in some:
            with opened(file) as stream:
                texts.append(stream.read())
        yield Part([str(file) for file in some], texts)
