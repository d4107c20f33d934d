"""Texts with a class label, as the token ids of their words; any part of the labels can be kept back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.readers.text import TextReader, counted, renumbered
from embloom.artifact.readers.tokenizer import PATTERN, compile_pattern, load_tokenizer
from embloom.assembly.parameters import numbers, positive_integers
from embloom.data.base import Split, digest_of
from embloom.data.batches import Batches, Order, even_size
from embloom.data.in_memory import InMemoryDataset
from embloom.data.splits import HeldOut
from embloom.files.tables import find_split, labelled

CHUNK = 1 << 16
Texts = dict[str, Tensor]  # `token` (T,), `length` (N,), `label` (N,)


class LabelledText(InMemoryDataset):
    """Columns `token` (T,), the words of all texts of a batch in a row, `length` (B,), how many each has, and `label`.

    The vocabulary is made from all training texts, whatever part of their labels is used: text costs nothing.

    Args:
        path: a CSV or TSV file (packed or not), a folder `<class>/<text files>`, or a folder that has `train` and
            `test` of either kind (`train.csv.gz`, `train/<class>/...`).
        test_path: the test texts, where `path` is the training texts alone; else `test_fraction` is held out.
        text: the column of the text.
        label: the column of the label.
        classes: only these; null is all.
        train_size: use only so many labels, drawn class by class, as many of each; null is all. Validation comes
            out of them.
        val_fraction: part of the labels held out for validation.
        test_fraction: part of the texts held out for the end where there is no test set.
        split_seed: draws both.
        min_count: rarer words are left out.
        max_vocab: keep at most so many words, the most frequent ones.
        max_share: leave out words that are more than this part of all text; 0.01 takes the commonest dozen, which
            say little and weigh much in an average.
        pattern: see `TextOptions`, as `lowercase` and `tokenizer`.

    Raises:
        ValueError: an option is out of range; on `measure`, the texts cannot be read.
    """

    labels = ("label",)

    def __init__(
        self,
        batch_size: int,
        path: str,
        test_path: str | None = None,
        text: str = "text",
        label: str = "label",
        classes: Sequence[str] | None = None,
        train_size: int | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        min_count: int = 5,
        max_vocab: int | None = None,
        max_share: float = 1.0,
        pattern: str | None = None,
        lowercase: bool = True,
        tokenizer: str | None = None,
        resident: bool | str = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, resident, seed)
        self.held_out = HeldOut(val_fraction, test_fraction, split_seed, train_size)
        counts = {"min_count": min_count, "max_vocab": max_vocab}
        positive_integers(**{key: value for key, value in counts.items() if value is not None})
        numbers(above=0, at_most=1, max_share=max_share)
        pattern = pattern or PATTERN
        compile_pattern(pattern, True)
        if tokenizer:
            load_tokenizer(tokenizer)
        self.train_path, self.test_path = places(Path(path).expanduser(), test_path)
        self.text, self.label, self.classes = text, label, classes
        self.min_count, self.max_vocab, self.max_share = min_count, max_vocab, max_share
        self.text_options: dict[str, Any] = {"pattern": pattern, "lowercase": lowercase, "tokenizer": tokenizer}
        self.vocabulary: list[str] = []
        self.texts: dict[Split, Texts] = {}

    def measure(self) -> None:
        """Reads everything: how many words and classes there are decides the encoder's sizes."""
        read = {"train": labelled(self.train_path, self.label, self.text)}
        if self.test_path is not None:
            read["test"] = labelled(self.test_path, self.label, self.text)
        names = sorted(set(read["train"][0])) if self.classes is None else [str(name) for name in self.classes]
        self.names = {"label": names}
        number = {name: i for i, name in enumerate(names)}
        if len(names) < 2:
            raise ValueError(
                f"{self.train_path} has {len(names)} classes in its column or folders: it takes two or more"
            )
        numbered = {split: of_classes(*found, number, self.classes is not None) for split, found in read.items()}
        words = TextReader(**self.text_options)
        raw = {split: {**words(texts), "label": labels} for split, (labels, texts) in numbered.items()}
        # Only the training texts choose the words; test words come after them in `words`, with a count of 0.
        self.vocabulary, place = counted(
            raw["train"]["token"],
            list(words.tokenizer.words)[1:],
            self.min_count,
            self.max_vocab,
            self.max_share,
        )
        columns = {split: {**renumbered(found, place), "label": found["label"]} for split, found in raw.items()}
        self.texts = self.parted(columns)
        self.reader = TextReader(**self.text_options, vocabulary=self.vocabulary)
        self.sizes = {"token": len(self.vocabulary), "length": 1, "label": len(names)}

    def parted(self, columns: Mapping[str, Texts]) -> dict[Split, Texts]:
        """Cuts off what is held out, and all but `train_size` labels.

        Raises:
            ValueError: there are too few texts.
        """
        train, test = columns["train"], columns.get("test")
        where, classes = f"dataset.path={self.train_path}", len(self.names["label"])
        rows = self.held_out.rows(train["label"], classes, where, "texts", test=test is None)
        found = {split: taken(train, some) for split, some in rows.items()}
        return found if test is None else {**found, "test": test}

    def rows(self) -> dict[str, int]:
        """Split -> its number of texts."""
        return {split: len(found["label"]) for split, found in self.texts.items()}

    def digest(self) -> str:
        """A hash of all token ids and labels."""
        return digest_of(self.texts)  # type: ignore[arg-type]

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Batches of one split, shuffled by (seed, epoch) or in order."""
        count = len(self.texts[split]["label"])
        size = even_size(count, self.batch_size)
        order = self.order(count, shuffle=shuffle, every_rank=every_rank, batch_size=size)
        return Bags(self.placed(self.texts[split]), order)

    def load(self) -> dict[Split, dict[str, Tensor]]:
        """The columns with one row a text; the words, which have not, are in `texts`."""
        return {split: {"label": found["label"], "length": found["length"]} for split, found in self.texts.items()}

    def attach(self, split: Split, name: str, column: Tensor) -> None:
        """Beside the words, too, of which batches are made."""
        super().attach(split, name, column)
        self.texts[split][name] = column

    def choose(self, batch: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
        """Some texts of a batch, with their words."""
        return taken(batch, rows.cpu())

    def keys(self) -> dict[str, list[str]]:
        """The words of the vocabulary."""
        return {"token": self.vocabulary}


class Bags(Batches):
    """Batches of texts of any length, by one gather.

    Args:
        texts: `token` (T,), `length` and `label` (N,).
        order: which texts make which batch.
    """

    def __init__(self, texts: Mapping[str, Tensor], order: Order) -> None:
        super().__init__({name: column for name, column in texts.items() if name != "token"}, order)
        self.token = texts["token"]
        # On the CPU as well: how long a batch is must not be asked of a GPU.
        self.length = texts["length"].cpu()
        self.begin = (self.length.cumsum(0) - self.length).to(self.token.device)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        device = self.token.device
        for rows in self.sampler:
            total = int(self.length[rows].sum())
            rows = rows.to(device, non_blocking=True)
            columns = {name: column.index_select(0, rows) for name, column in self.columns.items()}
            length = columns["length"]
            # Position in the batch -> position in the split: each text is moved as a whole.
            moved = self.begin[rows] - (length.cumsum(0) - length)
            place = torch.repeat_interleave(moved, length, output_size=total) + torch.arange(total, device=device)
            yield {**columns, "token": self.token.index_select(0, place)}


def places(path: Path, test_path: str | None) -> tuple[Path, Path | None]:
    """Where the training and the test texts are.

    Raises:
        ValueError: there is nothing.
    """
    if not path.exists():
        raise ValueError(f"path={path} is not there: name a CSV file, or a folder of class folders")
    if test_path is not None:
        if not Path(test_path).expanduser().exists():
            raise ValueError(f"test_path={test_path} is not there")
        return path, Path(test_path).expanduser()
    train = find_split(path, "train") if path.is_dir() else None
    return (path, None) if train is None else (train, find_split(path, "test"))


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


def taken(texts: Texts, rows: Tensor) -> Texts:
    """Some of the texts, in the order of `rows`."""
    parts = list(Bags(texts, Chosen(rows)))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


class Chosen(Order):
    """Batches of the given rows, so large that few are needed, and so small that they take little memory."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__(len(rows), max(1, min(CHUNK, len(rows))))
        self.rows = rows

    def __iter__(self) -> Iterator[Tensor]:
        yield from self.rows.split(CHUNK)
