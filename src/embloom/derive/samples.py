"""Vectors to fit to and to measure with: of a run's own dataset, or of inputs that are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.embedding import Embedding
from embloom.artifact.extractor import pooled
from embloom.assembly.build import build
from embloom.data.base import Dataset, Split, encoded_batches
from embloom.derive.quantizers import sample


def dataset_of(card: Mapping[str, Any], overrides: Mapping[str, Any]) -> Dataset:
    """The dataset that an embedding was trained on, set up.

    Args:
        card: of the artifact.
        overrides: settings of the dataset that are other now (`{"root": "/data/mnist"}`).

    Raises:
        ValueError: it is not known, or cannot be read; the message says what can be given instead.
    """
    node = card.get("config", {}).get("dataset") if isinstance(card.get("config"), dict) else None
    if not isinstance(node, dict):
        raise ValueError("its card does not say what it was trained on: name inputs, a file or a folder")
    if unknown := [key for key in overrides if key not in node]:
        raise ValueError(f"dataset.{unknown[0]}: its dataset has no such setting")
    node = {**node, **overrides}
    if "download" in node:
        node["download"] = False
    try:
        made = build(node, Dataset, where="dataset", supplied={"seed": 0})
        made.prepare_data()
        made.setup("fit")
    except (ValueError, OSError) as error:
        places = [f"dataset.{key}=..." for key in Dataset.locations if key in node]
        moved = f"; if the data is elsewhere, add {' or '.join(places)}" if places else ""
        raise ValueError(f"its dataset cannot be read again: {error}{moved}") from error
    return made


def vectors_of_split(
    embedding: Embedding, dataset: Dataset, split: Split, layers: Sequence[str], most: int | None
) -> dict[str, Tensor]:
    """At most so many samples of a split, the same each time: the layers' vectors (N, D), and labels (N,)."""
    rows = sample(torch.arange(dataset.rows()[split]), most or dataset.rows()[split])
    parts: list[dict[str, Tensor]] = []
    for tensors in encoded_batches(dataset, split, embedding.wire, torch.device("cpu"), rows):
        if missing := [name for name in layers if name not in tensors]:
            raise ValueError(f"there is no layer '{missing[0]}'; available: {', '.join(embedding.layers)}")
        found = {name: pooled(tensors[name].float(), None) for name in layers}
        parts.append({**found, **{name: tensors[name].long() for name in dataset.labels}})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def vectors_of_inputs(
    embedding: Embedding, place: str, layer: str, column: str | None = None
) -> tuple[list[str], Tensor]:
    """What inputs at a place are called, and their vectors (N, D).

    Raises:
        ValueError: there is nothing that can be read.
    """
    extract = embedding.extractor(layer)
    names: list[str] = []
    rows = []
    for part in embedding.reader.open(place, column, 256).parts:
        names += part.names
        rows.append(extract(part.inputs))
    if not rows:
        raise ValueError(f"{place}: there is nothing to encode: it is empty")
    return names, torch.cat(rows)
