"""What probes see of an artifact whose sizes are measured: its table, its samples, or people and items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from embloom.assembly.build import build
from embloom.derive.samples import dataset_of, vectors_of_split
from embloom.derive.sizes import LAYER, products
from embloom.derive.writing import Source
from embloom.probes.base import Frozen, Probe, recommending
from embloom.probes.knn import KNN


def seen(source: Source, layer: str, overrides: Mapping[str, Any], fit: int, score: int) -> Frozen:
    """The embedding as probes see it, its layer under the name `embedding`.

    Args:
        source: the artifact.
        layer: which layer or table.
        overrides: settings of its dataset that are other now.
        fit: at most so many samples of the training split,
        score: and so many of the test split.

    Raises:
        ValueError: its dataset cannot be read again, or scores are no products of the two tables.
    """
    embedding = source.embedding
    tables = embedding.encoder.tables()
    if embedding.encoder.recommends:
        return of_people(source, overrides)
    if layer in tables:
        keys = embedding.keys.get(layer) or [str(row) for row in range(len(tables[layer]))]
        return Frozen({}, {}, {}, {LAYER: tables[layer].detach().float()}, {LAYER: keys}, [])
    embedding.extractor(layer)
    dataset = dataset_of(embedding.card, overrides)
    found = []
    for split, most in (("train", fit), ("test", score)):
        columns = vectors_of_split(embedding, dataset, split, [layer], most)  # type: ignore[arg-type]
        found.append({**columns, LAYER: columns[layer]})
    return Frozen(found[0], found[1], dataset.class_counts(), activations=[LAYER])


def of_people(source: Source, overrides: Mapping[str, Any]) -> Frozen:
    """An encoder of people and items, where its scores are products."""
    encoder = source.embedding.encoder
    tables = encoder.tables()
    people = torch.arange(min(8, len(tables.get("users", []))))
    with torch.no_grad():
        if {"users", "items"} - tables.keys() or not torch.allclose(
            products(tables["users"], tables["items"])(people), encoder.scores(people), atol=1e-4, rtol=1e-4
        ):
            raise ValueError("its scores are not the products of two tables: there are no vectors to make smaller")
    dataset = dataset_of(source.card, overrides)
    asked = recommending(encoder, dataset, torch.device("cpu"), "test")
    both = {name: tables[name].detach().float() for name in ("items", "users")}
    return Frozen({}, {}, {}, both, source.embedding.keys, [], recommending=asked)


def probes_for(source: Source, frozen: Frozen, asked: Mapping[str, Any] | None) -> dict[str, Probe]:
    """The probes: those that were asked for, or those of the training that fit.

    Raises:
        ValueError: one that was asked for cannot be built, or there is none.
    """
    config = source.card.get("config")
    nodes = asked if asked is not None else (config.get("probe") if isinstance(config, dict) else None) or {}
    found: dict[str, Probe] = {}
    for name, node in nodes.items():
        try:
            probe = build(node, Probe, where=f"probe.{name}", supplied={})
        except ValueError:
            if asked is not None:
                raise
            continue
        if name == "chance" or (asked is None and probe.of_tables != bool(frozen.tables) and not frozen.recommending):
            continue
        probe.layers = LAYER
        if "layer" in vars(probe) and not frozen.recommending:
            vars(probe)["layer"] = LAYER
        found[name] = probe
    if not found and frozen.labels:
        found["knn"] = KNN()
    return found
