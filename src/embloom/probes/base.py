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
from embloom.encoders.ragged import Ragged


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
            self.found |= encoded(self.dataset, self.split, self.encode, missing, self.device)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.found and name not in self.names:
            raise KeyError(name)
        self.prefetch([name])
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


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
        scores: of an encoder that recommends, numbers of people (B,) -> scores of all items (B, items).
        row_classes: table -> attribute -> what is known of its rows.
        histories: of people and items, what each person had: in training, in validation where the test is scored, and
            in the split that is scored.
    """

    fit: Mapping[str, Tensor]
    score: Mapping[str, Tensor]
    labels: dict[str, int]
    tables: dict[str, Tensor] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    activations: list[str] = field(default_factory=lambda: ["embedding"])
    scores: Callable[[Tensor], Tensor] | None = None
    histories: Sequence[Ragged] = ()
    row_classes: Mapping[str, Mapping[str, RowClasses]] = field(default_factory=dict)

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
    """

    layers: str | Sequence[str] = "all"

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
    histories = [dataset.histories[split] for split in SPLITS[: SPLITS.index(score) + 1] if dataset.histories]
    tables = {name: table.detach() for name, table in encoder.tables().items()}
    keys = {**dataset.keys(), **table_keys(encoder, dataset)}
    return Frozen(
        fit,
        scored,
        dataset.class_counts(),
        tables,
        keys,
        encoder.activations(),
        (lambda user: encoder.scores(user.to(device))) if encoder.recommends else None,
        histories,
        {table: dataset.row_classes[c] for table, c in encoder.rows.items() if c in dataset.row_classes},
    )


def table_keys(encoder: Encoder, dataset: Dataset) -> dict[str, list[str]]:
    """Table -> what its rows are called: an encoder's `rows` names the dataset's column that numbers them."""
    keys = dataset.keys()
    return {table: keys[column] for table, column in encoder.rows.items() if column in keys}
