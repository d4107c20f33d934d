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
    dataset, encoder = components.dataset, components.encoder
    about = {
        "embloom_version": __version__,
        "versions": {name: version(name) for name in ("torch", "lightning", "safetensors")},
        "names": {"dataset": state.dataset, "encoder": state.encoder, "loss": state.loss},
        "labels": {label: dataset.class_names(label) for label in dataset.labels},
        "row_classes": row_classes(components),
        "data": view.data,
        "config": config,
        "lineage": lineage(components, config),
        "metrics": dict(state.metrics),
        "trained": {"epochs": state.epoch, "steps": state.step, "at": time.strftime("%Y-%m-%d")},
    }
    of: Mapping[str, str] = config["encoder"].get("of") or {}
    columns = {column: names for column, names in dataset.keys().items() if column in components.module.encode.source}
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


def lineage(components: Components, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where training started, for the card; None from scratch."""
    origin = components.module.start.origin
    if not origin:
        return None
    node = config.get("init_from") or {}
    settings = {key: value for key, value in node.items() if key != "path" and value not in (None, False)}
    return described([Parent(origin["content_hash"], origin["path"], "trained from")], settings=settings)


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
    reader = dataset.reader_for(wire.source.values())
    if reader is not None:
        return reader
    batch = next(iter(dataset.loader("test", every_rank=True)))
    tensors = dataset.transform({name: column.cpu() for name, column in batch.items()}, "embed")
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
