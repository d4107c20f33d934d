"""Vectors from files beside runs: what stands for them in a comparison, and the probes that need vectors alone."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.loading import load
from embloom.artifact.vector_files import read_vector_file
from embloom.artifact.vectors import Vectors
from embloom.assembly.build import build
from embloom.comparison.collect import Recorded, folders, read
from embloom.data.base import RowClasses
from embloom.files.names import labels_of, read_labels
from embloom.files.run_state import RunState
from embloom.probes.base import Frozen, Probe
from embloom.probes.row_labels import RowLabels
from embloom.probes.run import measured
from embloom.startup import option

TABLE = "embedding"
MOST_CLASSES = 0.5  # of the rows: a column with more different texts is no label
Say = Callable[[str], None]


def entries(
    places: Sequence[str], names: Sequence[str] = (), labels: str | None = None, say: Say = print
) -> list[Recorded]:
    """Runs and files of vectors, in the order in which they are named.

    Args:
        places: run folders, folders of runs, files of vectors, and patterns of these.
        names: files with a name a line, for the vectors without names: one for all, or one for each.
        labels: a CSV file whose first column is names, and each other one a label of theirs.
        say: is told what is odd.

    Raises:
        ValueError: a place is neither, or a file is damaged.
    """
    paths: list[str] = []
    for place in places:
        found = [place] if Path(place).exists() else sorted(glob.glob(place, recursive=True))
        paths += [path for path in found if Path(path).is_file()] or [place]
    vectors = {path: read_vector_file(path) for path in paths if Path(path).is_file()}
    for path, found_names in names_for([path for path, v in vectors.items() if not v.names], names).items():
        vectors[path] = vectors[path].with_names(found_names)
    if labels is not None:
        add_labels(vectors.values(), labels)
    for one in vectors.values():
        for note in one.notes:
            say(f"note: {note}")
    runs: dict[Path, Recorded] = {}
    for path in paths:
        if path in vectors:
            runs.setdefault(Path(path).resolve(), of_file(Path(path), vectors[path], list(vectors)))
        else:
            runs |= {f.resolve(): read(f) for f in folders([path]) if f.resolve() not in runs}
    return list(runs.values())


def names_for(nameless: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Which file names the rows of which.

    Raises:
        ValueError: there are more files of names than vectors without names, or neither one nor as many.
    """
    if names and not nameless:
        raise ValueError(f"{option('names')} {names[0]}: the vectors have names of their own: leave it out")
    if len(names) not in (0, 1, len(nameless)):
        raise ValueError(
            f"{len(names)} files of names for {len(nameless)} files without names: give one for all, or one for each"
        )
    return dict(zip(nameless, [*names] * (len(nameless) if len(names) == 1 else 1), strict=False))


def add_labels(files: Iterable[Vectors], labels: str) -> None:
    """Looks up the labels of the names.

    Raises:
        ValueError: no name has one.
    """
    known = read_labels(labels)
    for vectors in files:
        found = labels_of(vectors.names or [str(row) for row in range(len(vectors))], known)
        vectors.labels |= {label: values for label, values in found.items() if any(values)}
    if not any(label in vectors.labels for vectors in files for label in known):
        raise ValueError(f"{labels}: none of its names is among those of the vectors")


def of_file(path: Path, vectors: Vectors, files: Sequence[str]) -> Recorded:
    """What stands for a file in a comparison; it is called by its name, by its path where others are called so."""
    title = path.name if sum(Path(file).name == path.name for file in files) == 1 else str(path)
    state = RunState("vectors", title, "none", state="finished")
    names = {"dataset": "vectors", "encoder": title, "loss": "none"}
    config = {"dataset": {"path": str(path)}, "encoder": {}, "loss": {}, "probe": {}}
    return Recorded(path, state, config, names, vectors=vectors)


def measure(runs: Sequence[Recorded], asked: Mapping[str, Any] | None, say: Say) -> None:
    """Runs the probes that need nothing but vectors, and adds what they find to the figures of the runs.

    Args:
        runs: what is compared.
        asked: probe -> its config node: all rows of a table are measured by it, those of runs too. None: files are
            measured by what the runs were.
        say: is told of probes that could not be run.

    Raises:
        ValueError: a probe that was asked for cannot be built.
    """
    nodes = asked if asked is not None else of_runs(runs)
    probes: dict[str, Probe] = {}
    for name, node in nodes.items():
        try:
            probe = build(node, Probe, where=f"probe.{name}", supplied={})
        except ValueError as error:
            if asked is not None:
                raise
            say(f"warning: the files are not measured by {name}: {error}")
            continue
        if probe.of_tables:
            probes[name] = probe
        elif asked is not None:
            raise ValueError(f"probe {name} needs the samples of a dataset, and not vectors alone: take it out")
    for run in runs:
        if run.vectors is not None or asked is not None:
            add_figures(run, probes, nodes, say)


def of_runs(runs: Sequence[Recorded]) -> dict[str, Any]:
    """Probe -> its config node, as the first run has it."""
    found: dict[str, Any] = {}
    if any(run.vectors is not None for run in runs):
        for run in runs:
            for name, node in (run.config.get("probe") or {}).items():
                found.setdefault(name, node)
    return found


def add_figures(run: Recorded, probes: Mapping[str, Probe], nodes: Mapping[str, Any], say: Say) -> None:
    """Measures one run or file."""
    chosen = dict(probes)
    if run.vectors is not None:
        vectors = run.vectors
        names = vectors.names or [str(row) for row in range(len(vectors))]
        tables = {TABLE, *(str(node.get("layer", TABLE)) for node in nodes.values())}
        classes = classes_of(vectors)
        frozen = frozen_tables(dict.fromkeys(tables, vectors.rows), dict.fromkeys(tables, names), {TABLE: classes})
        if classes and "row_labels" not in chosen:
            chosen["row_labels"] = RowLabels()
    else:
        embedding = load(run.folder)
        frozen = frozen_tables({name: embedding.table(name) for name in embedding.keys}, embedding.keys, {})
    found = measured(chosen, frozen)
    run.state.metrics |= found.values
    for name, why in found.failed.items():
        say(f"warning: {run.folder} is not measured by {name}: {why}")


def frozen_tables(
    tables: dict[str, Tensor], keys: dict[str, list[str]], classes: Mapping[str, Mapping[str, RowClasses]]
) -> Frozen:
    """What a probe sees of tables alone."""
    return Frozen({}, {}, {}, tables, keys, [], classes)


def classes_of(vectors: Vectors) -> dict[str, RowClasses]:
    """Label -> its classes and that of each row (-1: unknown); not of texts that are nearly all different."""
    found = {}
    for label, values in vectors.labels.items():
        names = sorted({value for value in values if value})
        known = sum(map(bool, values))
        if 1 < len(names) <= max(2, MOST_CLASSES * known):
            number = {name: code for code, name in enumerate(names)}
            found[label] = RowClasses(torch.tensor([number.get(value, -1) for value in values]), names)
    return found
