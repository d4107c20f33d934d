"""What a probe is, and what it gets to see: the frozen embedding of two splits with all their columns, and tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from embloom.assembly.wiring import Wire
from embloom.data.base import SPLITS, Dataset, RowClasses, Split, encoded
from embloom.encoders.base import Encoder
from embloom.encoders.ragged import Ragged, counts_of, rows_of
from embloom.encoders.recommender import Recommender


class EncodedSplit(Mapping[str, Tensor]):
    """The columns of a split and the layers that the encoder makes of them, (N, ...) each, by name.

    They are computed when they are first asked for, on the device of the training; a name that was prefetched with
    others costs no pass of its own.

    Args:
        dataset: set up.
        split: which one.
        encode: the wired encoder, in evaluation mode.
        names: what there is.
        device: where it runs.
    """

    def __init__(
        self, dataset: Dataset, split: Split, encode: Wire, names: Iterable[str], device: torch.device
    ) -> None:
        self.dataset, self.split, self.encode, self.device = dataset, split, encode, device
        self.names = list(dict.fromkeys(names))
        self.found: dict[str, Tensor] = {}

    def prefetch(self, names: Iterable[str]) -> None:
        """Computes several in one pass."""
        if missing := [name for name in names if name not in self.found]:
            for name in missing:
                if name not in self.names:
                    raise ValueError(f"there is no tensor '{name}'; available: {', '.join(self.names)}")
            self.found |= self.compute(missing)

    def compute(self, names: list[str]) -> dict[str, Tensor]:
        """One pass over the split."""
        return encoded(self.dataset, self.split, self.encode, names, self.device)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.found and name not in self.names:
            raise KeyError(name)
        self.prefetch([name])
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Recommending:
    """What each person of a split is to be shown.

    Attributes:
        scores: numbers of people (B,) -> scores of all items (B, items).
        seen: what each had already, and is not shown again.
        wanted: what is to be found.
        popularity: (items,) how many had each.
    """

    scores: Callable[[Tensor], Tensor]
    seen: Sequence[Ragged]
    wanted: Ragged
    popularity: Tensor


@dataclass
class Frozen:
    """An embedding that no longer changes.

    Attributes:
        fit: the split that a probe may fit to: name -> (N, ...), every column and every layer.
        score: the same of the split that it is scored on.
        labels: label column -> number of classes.
        tables: layers that are tables of the encoder (rows, width).
        keys: table, or column -> what its rows are called.
        activations: the layers that are made of a sample.
        row_classes: table -> attribute -> what is known of its rows.
        recommending: of an encoder that recommends, what is to be found, and how it scores.
        spelled: of an encoder that spells words out, what makes vectors of words that are not in its table `embedding`.
    """

    fit: Mapping[str, Tensor]
    score: Mapping[str, Tensor]
    labels: dict[str, int]
    tables: dict[str, Tensor] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    activations: list[str] = field(default_factory=lambda: ["embedding"])
    row_classes: Mapping[str, Mapping[str, RowClasses]] = field(default_factory=dict)
    recommending: Recommending | None = None
    spelled: Callable[[Sequence[str]], Tensor] | None = None

    def layers(self, wanted: str | Sequence[str]) -> list[str]:
        """The names of the layers to probe: `all`, one name or several.

        Raises:
            ValueError: there is no such layer.
        """
        return chosen(wanted, self.activations)

    def named_table(self, layer: str) -> tuple[dict[str, int], Tensor]:
        """A table whose rows have names: name -> row, and the table (rows, width).

        Raises:
            ValueError: there is no such table.
        """
        if layer not in self.tables or layer not in self.keys:
            there = ", ".join(sorted(set(self.keys) & set(self.tables))) or "none"
            raise ValueError(f"layer '{layer}' is no table of named rows; available: {there}")
        return {name: row for row, name in enumerate(self.keys[layer])}, self.tables[layer]

    def pairs(self, wanted: str | Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """(layer, label, the tag's end) for every layer that is wanted and every label; the end is the label,
        and the layer too where that is not `embedding`."""
        layers = self.layers(wanted)
        for split in (self.fit, self.score):
            if isinstance(split, EncodedSplit) and self.labels:
                split.prefetch([*layers, *self.labels])
        for layer in layers:
            for label in self.labels:
                yield layer, label, label if layer == "embedding" else f"{label}_{layer}"


class Probe(ABC):
    """A measurement on a frozen embedding. Derive your own from this.

    Attributes:
        layers: which layers it asks about, see `Frozen.layers`.
        of_tables: whether tables of named rows are all that it asks about, so that it measures vectors from a file too.
    """

    layers: str | Sequence[str] = "all"
    of_tables: bool = False

    def check(self, encoder: Encoder) -> None:
        """Before training: raises a ValueError where it does not fit the encoder."""
        chosen(self.layers, encoder.activations())

    @abstractmethod
    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """Measures: tag (without `probe/`) -> number."""


def check_table(layer: str, encoder: Encoder) -> None:
    """Raises:
    ValueError: an encoder has no such table.
    """
    if layer not in encoder.tables():
        there = ", ".join(encoder.tables()) or "none"
        raise ValueError(f"layer={layer}: it must be a table of the encoder; available: {there}")


def chosen(wanted: str | Sequence[str], activations: Sequence[str]) -> list[str]:
    """The names of the layers that are wanted: `all`, one name or several.

    Raises:
        ValueError: there is no such layer.
    """
    if wanted == "all":
        return list(activations)
    names = [str(name) for name in wanted] if isinstance(wanted, (list, tuple)) else [str(wanted)]
    for name in names:
        if name not in activations:
            there = ", ".join(activations) or "none"
            raise ValueError(f"layers={name}: there is no layer '{name}' to probe; available: {there}")
    return names


def freeze(encode: Wire, encoder: Encoder, dataset: Dataset, *, device: torch.device, score: Split) -> Frozen:
    """What probes see of an encoder, which must be in evaluation mode: the training split and the split to score.

    Args:
        encode: the encoder, wired.
        encoder: the same.
        dataset: set up.
        device: where it runs.
        score: the split that is scored.
    """
    names = [*dataset.sizes, *encoder.sizes]
    fit, scored = (EncodedSplit(dataset, split, encode, names, device) for split in ("train", score))
    tables = {name: table.detach() for name, table in encoder.tables().items()}
    keys = {**dataset.keys(), **table_keys(encoder, dataset)}
    return Frozen(
        fit,
        scored,
        dataset.class_counts(),
        tables,
        keys,
        encoder.activations(),
        {table: dataset.row_classes[c] for table, c in encoder.rows.items() if c in dataset.row_classes},
        recommending(encoder, dataset, device, score),
        encoder.spelled if encoder.spells else None,
    )


def recommending(encoder: Encoder, dataset: Dataset, device: torch.device, score: Split) -> Recommending | None:
    """What people of a split are to be shown; None where the encoder or the dataset knows no items."""
    if not encoder.recommends or not dataset.histories:
        return None
    items = dataset.sizes["item"]
    if score in dataset.newcomers:
        if not isinstance(encoder, Recommender):
            raise ValueError(f"{type(encoder).__name__} knows the people it was trained with only: use another split")
        had, wanted = dataset.newcomers[score]

        def folded(people: Tensor) -> Tensor:
            values, offsets = rows_of(had.values, had.offsets, people)
            return encoder.fold_in(values.to(device), offsets.to(device))

        return Recommending(folded, [had], wanted, counts_of(dataset.histories["train"].values, items))
    *known, wanted = (dataset.histories[split] for split in SPLITS[: SPLITS.index(score) + 1])
    popularity = torch.stack([counts_of(part.values, items) for part in known or [wanted]]).sum(0)
    # A split that another one stands in for has been seen, and yet is what is to be found.
    seen = [part for part in known if part.values.data_ptr() != wanted.values.data_ptr()]
    return Recommending(lambda people: encoder.scores(people.to(device)), seen, wanted, popularity)


def table_keys(encoder: Encoder, dataset: Dataset) -> dict[str, list[str]]:
    """Table -> what its rows are called: an encoder's `rows` names the dataset's column that numbers them."""
    keys = dataset.keys()
    return {table: keys[column] for table, column in encoder.rows.items() if column in keys}
