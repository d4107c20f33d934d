"""The same few samples of a split for everybody who shows them: maps, and TensorBoard's projector."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from embloom.data.base import Batch, Dataset, Encode, Split, encoded_batches
from embloom.seeding import generator


@dataclass
class Label:
    """What points can be coloured by: the classes' names, and the class of each point (N,); how often one is right who
    always guesses the largest class."""

    name: str
    classes: list[str]
    values: Tensor
    chance: float | None = None


@dataclass
class Samples:
    """Some samples of a split.

    Attributes:
        identity: equal for the same samples, whatever their images are scaled to: their labels decide.
        total: how many the split has.
        labels: of the chosen samples.
        images: (N, C, H, W) in 0..1, where the samples are images.
        vectors: layer -> (N, width).
        inputs: what the encoder takes, where that is numbers -> (N, ...).
    """

    identity: str
    total: int
    labels: list[Label]
    images: Tensor | None = None
    vectors: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)


def sampled(
    dataset: Dataset,
    encode: Encode,
    layers: list[str],
    count: int,
    device: torch.device,
    split: Split = "test",
    inputs: Collection[str] = (),
) -> Samples:
    """At most `count` samples of a split, the same for the same data, and what the encoder makes of them.

    Args:
        dataset: set up.
        encode: columns -> layers.
        layers: which of them.
        count: how many samples.
        device: where the encoder runs.
        split: of which split.
        inputs: columns that are kept too, those of numbers among them.
    """
    total = dataset.rows()[split]
    rows = torch.randperm(total, generator=generator(0))[:count].sort().values
    shape = dataset.supplies.get("image_shape")
    wanted = [*layers, *(["image"] if shape and "image" in dataset.sizes else [])]
    parts: list[Batch] = []
    for tensors in encoded_batches(dataset, split, encode, device, rows):
        missing = [name for name in layers if name not in tensors]
        if missing:
            raise ValueError(f"there is no layer '{missing[0]}'; available: {', '.join(tensors)}")
        numbers = [name for name in inputs if name in tensors and tensors[name].is_floating_point()]
        parts.append({name: tensors[name].float().cpu() for name in {*wanted, *numbers} if name in tensors})
    columns = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    whole = labels_of(dataset, split)
    labels = [
        Label(name, dataset.class_names(name), values[rows], float(torch.bincount(values).max() / len(values)))
        for name, values in whole.items()
    ]
    images = columns["image"].reshape(-1, *shape).clamp(0, 1) if shape and "image" in columns else None
    identity = hashlib.sha256(f"{type(dataset).__module__}.{type(dataset).__qualname__} {split} {total}".encode())
    for values in whole.values():
        identity.update(values.numpy().tobytes())
    if not whole:
        identity.update(dataset.digest().encode())
    vectors = {name: columns[name] for name in layers}
    read = {name: columns[name] for name in inputs if name in columns}
    return Samples(identity.hexdigest(), total, labels, images, vectors, read)


def labels_of(dataset: Dataset, split: Split) -> Batch:
    """The label columns of a whole split, without running any encoder."""
    found: dict[str, list[Tensor]] = {name: [] for name in dataset.labels}
    for batch in dataset.loader(split, every_rank=True) if found else ():
        for name in found:
            found[name].append(batch[name].cpu().long())
    return {name: torch.cat(parts) for name, parts in found.items()}
