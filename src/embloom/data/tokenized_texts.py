"""Labelled texts as token ids, tokenized once and kept in the cache.

An entry is named after the hash of what the texts are and of every option that shaped them: of each split
`<split>_token.npy` (int32, all texts in a row), `<split>_length.npy` and `<split>_label.npy` (int64, one a text, -1
where it has none); `names.json`, the vocabulary and the classes; and `seal.json`, the hashes of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.readers.text import TextReader, counted, renumbered
from embloom.artifact.readers.tokenizer import tokenizer_identity
from embloom.data.batches import as_tensor
from embloom.data.cache import HASH, cached
from embloom.files.finding import files_at
from embloom.files.seal import file_hash
from embloom.files.tables import class_files, labelled

FORMAT = 1
NAMES = "names.json"
COLUMNS = ("token", "length", "label")
UNLABELLED = "unlabelled"
OPTION = "dataset.unlabelled"
PART = 10_000  # texts that are read at a time
Texts = dict[str, Tensor]  # `token` (T,), `length` (N,), `label` (N,)


@dataclass(frozen=True)
class TokenizedTexts:
    """What an entry holds.

    Attributes:
        columns: split -> token ids and labels; memory-mapped.
        vocabulary: the words that have ids, the most frequent of the training texts first.
        classes: what the labels are called.
    """

    columns: dict[str, Texts]
    vocabulary: list[str]
    classes: list[str]


@dataclass(frozen=True)
class LabelledSource:
    """Where labelled texts are, and how they become token ids; see `embloom.data.labelled_text.LabelledText`.

    Attributes:
        places: `train`, and `test` where it has texts of its own -> a table, or a folder of class folders.
        unlabelled: more texts, a file with one a line, a table, a folder or a glob; None is none.
        text: the column of the text.
        label: the column of the label.
        classes: only these; None is all.
        options: of `TextReader`.
        min_count, max_vocab, max_share: which words are in the vocabulary.
    """

    places: Mapping[str, Path]
    text: str
    label: str
    classes: Sequence[str] | None
    options: Mapping[str, Any]
    min_count: int
    max_vocab: int | None
    max_share: float
    unlabelled: str | None = None

    @property
    def splits(self) -> list[str]:
        """What an entry has columns of."""
        return [*self.places, *([] if self.unlabelled is None else [UNLABELLED])]

    def opened(self, cache: Path) -> TokenizedTexts:
        """The token ids, from the cache or made there.

        Raises:
            ValueError: the texts cannot be read, or do not make classes or a vocabulary.
        """
        files = [NAMES, *(f"{split}_{name}.npy" for split in self.splits for name in COLUMNS)]
        entry = cached(cache, f"texts-{self.key()}", files, self.build)
        names = json.loads((entry / NAMES).read_text(encoding="utf-8"))
        columns = {
            split: {name: as_tensor(np.load(entry / f"{split}_{name}.npy", mmap_mode="r")) for name in COLUMNS}
            for split in self.splits
        }
        return TokenizedTexts(columns, names["vocabulary"], names["classes"])

    def described(self) -> dict[str, Any]:
        """Every option that shapes the token ids."""
        return {
            **vars(self),
            "format": FORMAT,
            "kind": type(self).__name__,
            "places": self.splits,
            "unlabelled": None,
            "options": dict(self.options),
            "classes": self.classes and [str(name) for name in self.classes],
            "source": tokenizer_identity(self.options["tokenizer"]),
        }

    def key(self) -> str:
        """A hash of every text and of every option that shapes the token ids."""
        described = json.dumps(self.described(), sort_keys=True).encode()
        digest = hashlib.blake2b(described, digest_size=16)
        for split, files in self.files().items():
            digest.update(f"{split} {len(files)}".encode())
            for name, file in files:
                try:
                    # A table's name says what parts its cells.
                    digest.update(f"{name or ''.join(file.suffixes)}\0{file_hash(file, HASH)}".encode())
                except OSError as error:
                    raise ValueError(f"cannot read {file}: {error}") from error
        return digest.hexdigest()

    def files(self) -> dict[str, list[tuple[str, Path]]]:
        """Of each split the files, each with its class where the folder says it."""
        found = {
            split: [("", place)] if place.is_file() else class_files(place) for split, place in self.places.items()
        }
        if self.unlabelled is not None:
            found[UNLABELLED] = [("", file) for file in files_at(self.unlabelled, "text file", where=OPTION)]
        return found

    def build(self, folder: Path) -> None:
        """Writes an entry."""
        read = {split: labelled(place, self.label, self.text) for split, place in self.places.items()}
        names = sorted(set(read["train"][0])) if self.classes is None else [str(name) for name in self.classes]
        if len(names) < 2:
            raise ValueError(
                f"{self.places['train']} has {len(names)} classes in its column or folders: it takes two or more"
            )
        number = {name: i for i, name in enumerate(names)}
        numbered = {split: of_classes(*found, number, self.classes is not None) for split, found in read.items()}
        texts = {split: found for split, (_, found) in numbered.items()}
        labels = {split: found for split, (found, _) in numbered.items()}
        if self.unlabelled is not None:
            parts = TextReader().open(self.unlabelled, self.text, PART).parts
            texts[UNLABELLED] = [text for part in parts for text in part.inputs]
            labels[UNLABELLED] = torch.full((len(texts[UNLABELLED]),), -1)
        token, vocabulary = self.tokens(texts)
        for split, found in token.items():
            for name, column in {**found, "label": labels[split]}.items():
                np.save(folder / f"{split}_{name}.npy", column.numpy())
        text = json.dumps({"vocabulary": vocabulary, "classes": names}, ensure_ascii=False)
        (folder / NAMES).write_text(text, encoding="utf-8", errors="surrogatepass")

    def tokens(self, texts: Mapping[str, Sequence[str]]) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
        """Split -> texts as split -> `token` (T,) and `length` (N,), and the vocabulary.

        Raises:
            ValueError: no word is frequent enough.
        """
        words = TextReader(**self.options)
        raw = {split: words(some) for split, some in texts.items()}
        # Test texts choose no words: those that they alone have come later in `words`, with a count of 0.
        vocabulary, place = counted(
            torch.cat([raw[split]["token"] for split in raw if split != "test"]),
            list(words.tokenizer.words)[1:],
            self.min_count,
            self.max_vocab,
            self.max_share,
        )
        return {split: renumbered(found, place) for split, found in raw.items()}, vocabulary


def of_classes(
    labels: Sequence[str], texts: Sequence[str], number: Mapping[str, int], some: bool
) -> tuple[Tensor, list[str]]:
    """Class numbers and texts, of the known classes.

    Args:
        labels: names of classes.
        texts: as many.
        number: the number of each class.
        some: leave other classes out, instead of refusing them.

    Raises:
        ValueError: there is a class that training does not know, or nothing is left.
    """
    if not some and (unknown := sorted(set(labels) - set(number))):
        raise ValueError(f"the test texts have a class that the training texts do not: {unknown[0]}")
    kept = [(number[label], text) for label, text in zip(labels, texts, strict=True) if label in number]
    if not kept:
        raise ValueError(f"dataset.classes={list(number)}: no text has one of these labels")
    return torch.tensor([label for label, _ in kept]), [text for _, text in kept]
