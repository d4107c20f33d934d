"""Texts with a class label, as the token ids of their words; any part of the labels can be kept back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from embloom.artifact.readers.text import TextReader
from embloom.artifact.readers.tokenizer import PATTERN, compile_pattern, load_tokenizer
from embloom.assembly.parameters import numbers, positive_integers
from embloom.data.base import SPLITS, Split, digest_of
from embloom.data.batches import Batches, Order, even_size
from embloom.data.cache import default_cache
from embloom.data.in_memory import InMemoryDataset
from embloom.data.splits import HeldOut
from embloom.data.tokenized_texts import OPTION, UNLABELLED, LabelledSource, Texts
from embloom.files.finding import files_at
from embloom.files.tables import find_split

CHUNK = 1 << 12


class LabelledText(InMemoryDataset):
    """Columns `token` (T,), the words of all texts of a batch in a row, `length` (B,), how many each has, and `label`.

    The vocabulary is made from all training texts, whatever part of their labels is used: text costs nothing. Those
    that are not used, and `unlabelled`, have the label -1 where an encoder is computed from them.

    Args:
        path: a CSV or TSV file (packed or not), a folder `<class>/<text files>`, or a folder that has `train` and
            `test` of either kind (`train.csv.gz`, `train/<class>/...`).
        unlabelled: more texts, without labels: a file with one a line, a table, a folder or a glob. They choose the
            vocabulary too, and what is computed from texts alone (`encoder=lsa`) is computed from them as well.
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
        cache: folder of token ids; the texts are tokenized once.

    Raises:
        ValueError: an option is out of range; on `measure`, the texts cannot be read.
    """

    labels = ("label",)
    locations: ClassVar[tuple[str, ...]] = ("root", "path", "unlabelled")
    no_effect: ClassVar[tuple[str, ...]] = ("resident", "cache")

    def __init__(
        self,
        batch_size: int,
        path: str,
        unlabelled: str | None = None,
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
        cache: str | None = None,
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
        if unlabelled is not None:
            files_at(unlabelled, "text file", where=OPTION)
        self.train_path, self.test_path = places_of(Path(path).expanduser(), test_path)
        self.text_options: dict[str, Any] = {"pattern": pattern, "lowercase": lowercase, "tokenizer": tokenizer}
        places = {"train": self.train_path, **({"test": self.test_path} if self.test_path is not None else {})}
        self.source = LabelledSource(
            places, text, label, classes, self.text_options, min_count, max_vocab, max_share, unlabelled
        )
        self.cache = Path(cache).expanduser() if cache else default_cache()
        self.vocabulary: list[str] = []
        self.texts: dict[Split, Texts] = {}
        self.unlabelled: list[Texts] = []

    def measure(self) -> None:
        """Reads everything, once into the cache: how many words and classes there are decides the encoder's sizes."""
        found = self.source.opened(self.cache)
        classes = self.unseen("label", found.classes) if self.source.classes is None else []
        names = sorted([*found.classes, *classes]) if classes else found.classes
        self.vocabulary, self.names = [*found.vocabulary, *self.unseen("token", found.vocabulary)], {"label": names}
        number = torch.tensor([names.index(name) for name in found.classes])
        self.texts = self.parted({split: relabelled(texts, number) for split, texts in found.columns.items()})
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
        unused = torch.ones(len(train["label"]), dtype=torch.bool)
        unused[torch.cat(list(rows.values()))] = False
        self.unlabelled = [columns[UNLABELLED]] if UNLABELLED in columns else []
        if unused.any():
            rest = taken(train, unused.nonzero().flatten())
            self.unlabelled.append({**rest, "label": torch.full_like(rest["label"], -1)})
        return found if test is None else {**found, "test": test}

    def rows(self) -> dict[str, int]:
        """Split -> its number of texts."""
        return {split: len(found["label"]) for split, found in self.texts.items()}

    def digest(self) -> str:
        """A hash of all token ids and labels."""
        more = {f"unlabelled_{number}": texts for number, texts in enumerate(self.unlabelled)}
        columns: dict[str, Mapping[str, Tensor]] = {**self.texts, **more}  # type: ignore[dict-item]
        return digest_of(columns, (*SPLITS, *more))

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Batches of one split, shuffled by (seed, epoch) or in order."""
        count = len(self.texts[split]["label"])
        size = even_size(count, self.batch_size)
        order = self.order(count, shuffle=shuffle, every_rank=every_rank, batch_size=size)
        return Bags(self.placed(self.texts[split]), order)

    def fit_loader(self) -> Iterator[dict[str, Tensor]]:
        """The training split in order, and then the texts that have no label here."""
        yield from super().fit_loader()
        for texts in self.unlabelled:
            yield from Bags(self.placed(texts), Order(len(texts["label"]), CHUNK))

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


def places_of(path: Path, test_path: str | None) -> tuple[Path, Path | None]:
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


def relabelled(texts: Texts, number: Tensor) -> Texts:
    """The same texts with other numbers of classes; those without a label stay so."""
    label = texts["label"]
    return {**texts, "label": torch.where(label < 0, label, number[label])}


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
