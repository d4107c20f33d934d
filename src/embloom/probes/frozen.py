"""What a probe gets to see: the frozen embedding of two splits, their labels, and the encoder's tables."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from embloom.assembly.wiring import Wire
from embloom.data.base import Dataset, Split


@dataclass
class Frozen:
    """An embedding that no longer changes.

    Attributes:
        fit: tensor name -> (N, width) of the split that a probe may fit to: the embedding layers, and the
            label columns (N,).
        score: the same of the split that it is scored on.
        labels: label column -> number of classes.
        tables: embedding layers that are tables of the encoder (rows, width).
        keys: table name -> what its rows are called.
    """

    fit: dict[str, Tensor]
    score: dict[str, Tensor]
    labels: dict[str, int]
    tables: dict[str, Tensor] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)

    def layers(self, wanted: str | Sequence[str]) -> list[str]:
        """The names of the layers to probe: `all`, one name or several.

        Raises:
            ValueError: there is no such layer.
        """
        there = [name for name in self.fit if name not in self.labels]
        if wanted == "all":
            return there
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        for name in names:
            if name not in there:
                raise ValueError(f"there is no layer '{name}' to probe; there is: {', '.join(there)}")
        return names

    def named_table(self, layer: str) -> tuple[dict[str, int], Tensor]:
        """A table whose rows have names: name -> row, and the table (rows, width).

        Raises:
            ValueError: there is no such table.
        """
        if layer not in self.tables or layer not in self.keys:
            there = ", ".join(sorted(self.keys)) or "none"
            raise ValueError(f"layer '{layer}' is no table of named rows; there is: {there}")
        return {name: row for row, name in enumerate(self.keys[layer])}, self.tables[layer]

    def pairs(self, wanted: str | Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """(layer, label, the tag's end) for every layer that is wanted and every label; the end is the label,
        and the layer too where that is not `embedding`."""
        for layer in self.layers(wanted):
            for label in self.labels:
                yield layer, label, label if layer == "embedding" else f"{label}_{layer}"


class Probe:
    """A measurement on a frozen embedding."""

    @abstractmethod
    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """Measures: tag (without `probe/`) -> number."""


def freeze(
    encoder: nn.Module,
    dataset: Dataset,
    *,
    of: Mapping[str, str] | None,
    device: torch.device,
    score: Split,
) -> Frozen:
    """Runs the encoder, in evaluation mode, over the training split and the split to score."""
    layers = encoder.embedding_layers()  # type: ignore[operator]
    tables = {name: table.detach() for name, table in layers.items() if table is not None}
    activations = [name for name, table in layers.items() if table is None]
    labels = {name: dataset.sizes[name] for name in dataset.labels}
    training = encoder.training
    encoder.eval()
    try:
        wire = Wire(encoder.forward, of, "encoder")
        fit, scored = (
            collected(wire, dataset, dataset.loader(split, every_rank=True), [*activations, *labels], device)
            if activations
            else {}
            for split in ("train", score)
        )
    finally:
        encoder.train(training)
    return Frozen(fit, scored, labels, tables, table_keys(encoder, dataset))


def table_keys(encoder: nn.Module, dataset: Dataset) -> dict[str, list[str]]:
    """Table -> what its rows are called: an encoder's `rows` names the dataset's column that numbers them."""
    rows: Mapping[str, str] = getattr(encoder, "rows", {})
    keys = dataset.keys()
    return {table: keys[column] for table, column in rows.items() if column in keys}


@torch.no_grad()
def collected(
    wire: Wire,
    dataset: Dataset,
    loader: Iterable[dict[str, Tensor]],
    names: Sequence[str],
    device: torch.device,
) -> dict[str, Tensor]:
    """The named tensors of every batch, one after the other."""
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    for batch in loader:
        columns = dataset.transform({k: v.to(device) for k, v in batch.items()}, False)
        tensors = {**columns, **wire(columns)}
        for name in names:
            parts[name].append(tensors[name].float() if tensors[name].is_floating_point() else tensors[name])
    return {name: torch.cat(found) for name, found in parts.items()}
