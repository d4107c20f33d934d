"""What a finished training leaves: the figures of its probes, and the artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from embloom import __version__
from embloom.artifact.lineage import Parent, described
from embloom.artifact.readers.base import Reader
from embloom.artifact.readers.columns import ColumnsReader, columns_of
from embloom.artifact.saving import Head, save
from embloom.files.run_state import RunState
from embloom.probes.base import freeze, table_keys
from embloom.probes.run import Measured, measured
from embloom.training import compatibility
from embloom.training.components import Components
from embloom.training.view import LightningTraining


def probed(components: Components, view: LightningTraining) -> Measured:
    """Measures the embedding: fitted to the training split, scored on the test split."""
    module = components.module.to(view.device).eval()
    return measured(
        components.probes,
        freeze(module.encode, components.encoder, components.dataset, device=view.device, score="test"),
    )


def keep(components: Components, view: LightningTraining, state: RunState, config: Mapping[str, Any]) -> None:
    """Writes the artifact."""
    dataset, encoder, loss = components.dataset, components.encoder, components.module.loss
    about = {
        "embloom_version": __version__,
        "versions": {name: version(name) for name in ("torch", "lightning", "safetensors")},
        "names": {"dataset": state.dataset, "encoder": state.encoder, "loss": state.loss},
        "labels": {label: dataset.class_names(label) for label in dataset.labels},
        "row_classes": row_classes(components),
        "data": view.data,
        "config": config,
        "lineage": lineage(components, view, config),
        **({"nested": loss.nested.every()} if loss.nested else {}),
        "metrics": dict(state.metrics),
        "trained": {"epochs": state.epoch, "steps": state.step, "at": time.strftime("%Y-%m-%d")},
    }
    of: Mapping[str, str] = config["encoder"].get("of") or {}
    read = {*components.module.encode.source.values(), *(dataset.added.taken if dataset.added else ())}
    columns = {column: names for column, names in dataset.keys().items() if column in read}
    tables = table_keys(encoder, dataset)
    named = {column for table, column in encoder.rows.items() if table in tables}
    save(
        view.folder / "embeddings",
        encoder=encoder,
        node=config["encoder"],
        of=of,
        supplied=components.supplied,
        reader=reader_of(components),
        heads=heads(components, config),
        about=about,
        keys=tables,
        column_keys={column: names for column, names in columns.items() if column not in named},
        columns=dict(encoder.rows),
    )


def lineage(components: Components, view: LightningTraining, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Which embeddings this one comes from, and what was measured against them, for the card; None from scratch."""
    start, dataset = components.module.start, components.dataset
    parents, promise, settings = list[Parent](), dict[str, float](), dict[str, Any]()
    if start.origin:
        how = "trained from" if start.grown is None else "grown from"
        parents.append(Parent(start.origin["content_hash"], start.origin["path"], how))
        node = config.get("init_from") or {}
        settings |= {key: value for key, value in node.items() if key != "path" and value not in (None, False)}
    if start.grown is not None:
        promise |= start.grown.promise()
    if (old := components.old) is not None:
        parents.append(old.parent())
        found = compatibility.promise(old, dataset, components.module.encode, view.device)
        promise |= found
        print("\n".join(f"{'compatible: ' + name:<40} {value:.4f}" for name, value in found.items()))
    if dataset.added is not None:
        parents += dataset.added.parents()
    return described(parents, promise, settings) if parents else None


def row_classes(components: Components) -> dict[str, dict[str, dict[str, list[Any]]]]:
    """Table -> attribute -> what its classes are called, and the class of each row (-1: unknown), for maps."""
    known = components.dataset.row_classes
    return {
        table: {
            name: {"names": classes.names, "codes": classes.codes.tolist()} for name, classes in known[column].items()
        }
        for table, column in components.encoder.rows.items()
        if known.get(column)
    }


def reader_of(components: Components) -> Reader:
    """The dataset's, else one of the numbers that the encoder needs."""
    dataset, wire = components.dataset, components.module.encode
    if dataset.added is not None:
        return dataset.added.reader(dataset.reader_for(dataset.added.taken), list(wire.source.values()), dataset.keys())
    reader = dataset.reader_for(wire.source.values())
    if reader is not None:
        return reader
    batch = next(iter(dataset.loader("test", every_rank=True)))
    tensors = dataset.seen({name: column.cpu() for name, column in batch.items()}, "embed")
    needed = wire.required or [name for name in wire.source if name in ("user", "item")]
    return ColumnsReader(columns_of(tensors, [wire.source[name] for name in needed]), dataset.keys())


def heads(components: Components, config: Mapping[str, Any]) -> dict[str, Head]:
    """The terms that classify what the encoder alone makes of a sample."""
    found: dict[str, Head] = {}
    loss, dataset = components.module.loss, components.dataset
    for name, scores in loss.scorers.items():
        label = loss.label(name)
        if label in dataset.labels and all(source in components.encoder.sizes for source in scores.source.values()):
            sizes = {**dataset.sizes, **components.encoder.sizes}
            wanted = {parameter: sizes[tensor] for parameter, tensor in loss.wires[name].source.items()}
            found[name] = Head(loss.terms[name], config["loss"][name], wanted, dict(scores.source), label)
    return found
