"""What a term `compatible` needs of an old embedding: its vectors of every sample, and in the end how well new queries
do among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.embedding import Embedding
from embloom.artifact.extractor import pooled
from embloom.artifact.lineage import Parent
from embloom.artifact.loading import load
from embloom.artifact.readers.base import Reader
from embloom.artifact.readers.text import TextReader
from embloom.assembly.build import locate
from embloom.data.base import SPLITS, Dataset, Split, encoded, to_device
from embloom.data.in_memory import InMemoryDataset
from embloom.losses.compatible import Compatible
from embloom.probes.knn import KNN

OLD = "old"  # the column of its vectors
TOKEN = "token"  # that of words
INDEX, QUERIES, NEAREST = 10_000, 5_000, 5


class Old:
    """An old embedding that a new one is to be compatible with; frozen, and part of neither checkpoint nor optimizer.

    Args:
        path: its run or artifact.
        layer: which of its layers.

    Raises:
        ValueError: it cannot be read, or has no such layer.
    """

    def __init__(self, path: str, layer: str) -> None:
        self.path, self.layer = path, layer
        self.embedding: Embedding = load(path)
        if layer not in self.embedding.card["layers"]:
            there = ", ".join(self.embedding.card["layers"])
            raise ValueError(f"layer={layer}: {path} has no such layer; available: {there}")
        self.width: int = self.embedding.card["layers"][layer]
        self.numbers: Tensor | None = None  # of the dataset's words, where the old embedding numbers them otherwise

    def check(self, dataset: Dataset) -> None:
        """Raises:
        ValueError: the old encoder cannot read the dataset's columns as they are.
        """
        if not isinstance(dataset, InMemoryDataset):
            raise ValueError("loss.compatible needs samples; of tables of words or items, use init_from.anchor=1.0")
        card, keys = self.embedding.card, dataset.keys()
        named = {column: card["keys"][table] for table, column in card["columns"].items() if table in card["keys"]}
        for column, names in {**card["column_keys"], **named}.items():
            if column not in keys or keys[column] == names:
                continue
            if column != TOKEN or not reads_alike(self.embedding.reader, dataset.reader):
                advice = "read texts as it does: dataset=labelled_like dataset.like=" + self.path
                raise ValueError(
                    f"loss.compatible: {self.path} numbers the names of '{column}' otherwise"
                    + (f": {advice}" if column == TOKEN else "")
                )
            number = {name: row for row, name in enumerate(names)}
            self.numbers = torch.tensor([number.get(name, -1) for name in keys[column]])

    @torch.no_grad()
    def supply(self, dataset: Dataset) -> None:
        """Adds the column of old vectors to every split of a dataset that has been set up."""
        assert isinstance(dataset, InMemoryDataset)
        extract = self.embedding.extractor(self.layer)
        for split in SPLITS:
            if OLD in dataset.columns[split]:
                continue
            parts = []
            for batch in dataset.loader(split, every_rank=True):
                columns = dataset.transform(to_device(batch, torch.device("cpu")), "embed")
                if self.numbers is not None:
                    columns = {**columns, **renumbered(columns[TOKEN], columns["length"], self.numbers)}
                parts.append(pooled(extract.outputs(columns)[self.layer], None).float())
            dataset.attach(split, OLD, torch.cat(parts))

    def parent(self) -> Parent:
        """For the card."""
        return Parent(self.embedding.content_hash, self.path, "compatible with")


def reads_alike(one: Reader | None, other: Reader | None) -> bool:
    """Whether two readers cut texts into the same words, whatever their numbers."""
    texts = isinstance(one, TextReader) and isinstance(other, TextReader)
    return texts and type(one) is type(other) is TextReader and one.options() == other.options()


def renumbered(token: Tensor, length: Tensor, numbers: Tensor) -> dict[str, Tensor]:
    """Words of texts in a row (T,), and how many each text has (B,), with other numbers, without those that have none
    (-1)."""
    found = numbers[token.long()]
    known = found >= 0
    text = torch.repeat_interleave(torch.arange(len(length)), length.long())
    return {TOKEN: found[known].to(token.dtype), "length": text[known].bincount(minlength=len(length)).to(length.dtype)}


def old_of(terms: Mapping[str, Mapping[str, Any]]) -> Old | None:
    """The old embedding that terms name; None where none does.

    Raises:
        ValueError: it cannot be read, or they name several.
    """
    found = {}
    for name, node in terms.items():
        if issubclass(locate(node.get("_target_", ""), torch.nn.Module, f"loss.{name}"), Compatible):
            found[str(node.get("to")), str(node.get("layer", "embedding"))] = name
    if len(found) > 1:
        raise ValueError(f"loss.{', loss.'.join(found.values())}: all of them must be compatible with the same")
    for (path, layer), name in found.items():
        try:
            return Old(path, layer)
        except ValueError as error:
            raise ValueError(f"loss.{name}.to={path}: {error}") from error
    return None


def promise(old: Old, dataset: Dataset, encode: Any, device: torch.device) -> dict[str, float]:
    """How often the classes of the nearest neighbors are right, for queries of the test split among training samples:
    `new_on_old`, `old_on_old`, `new_on_new`; without labels, how often a new vector's nearest old one is of the same
    sample, `new_on_old` alone."""
    assert isinstance(dataset, InMemoryDataset)
    label = next(iter(dataset.labels), None)
    names = ["embedding", *([label] if label else [])]
    most: dict[Split, int] = {"train": INDEX, "test": QUERIES}
    rows = {split: spaced(dataset.rows()[split], count) for split, count in most.items()}
    new = {split: encoded(dataset, split, encode, names, device, some) for split, some in rows.items()}
    before = {split: dataset.columns[split][OLD][some] for split, some in rows.items()}
    after = {split: found["embedding"].cpu() for split, found in new.items()}
    same_width = {split: vectors[:, : old.width] for split, vectors in after.items()}
    if label is None:
        nearest = torch.cdist(same_width["test"], before["test"]).argmin(1)
        return {"new_on_old": float((nearest == torch.arange(len(nearest))).double().mean())}
    truth, probe = {split: found[label].cpu() for split, found in new.items()}, KNN(NEAREST)

    def accuracy(index: Tensor, queries: Tensor) -> float:
        return probe.accuracy(index, truth["train"], queries, truth["test"], dataset.sizes[label])

    return {
        "new_on_old": accuracy(before["train"], same_width["test"]),
        "old_on_old": accuracy(before["train"], before["test"]),
        "new_on_new": accuracy(after["train"], after["test"]),
    }


def spaced(count: int, most: int) -> Tensor:
    """At most so many of `count` rows, evenly spaced, ascending."""
    return torch.linspace(0, count - 1, min(count, most)).round().long().unique()
