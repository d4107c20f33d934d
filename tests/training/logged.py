"""What each logger holds of a run, read with its own tool."""

from __future__ import annotations

import csv
import json
import os
import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from harness import scalars, settled

Curves = dict[str, list[tuple[int, float]]]
STEP = "trainer/global_step"


def from_tensorboard(folder: Path) -> Curves:
    """The event files."""
    return settled(scalars(folder))


def from_csv(folder: Path) -> Curves:
    """`metrics.csv`."""
    found: Curves = {}
    with (folder / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row.pop("step"))
            for tag, value in row.items():
                if value:
                    found.setdefault(tag, []).append((step, float(value)))
    return comparable(found)


def from_mlflow(store: Path) -> Curves:
    """The only run in a store of files, by MLflow's client."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient(f"file:{store}")
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert run.info.status == "FINISHED"
    tags = run.data.metrics
    history = {tag: client.get_metric_history(run.info.run_id, tag) for tag in tags}
    return comparable({tag: [(m.step, m.value) for m in points] for tag, points in history.items()})


def mlflow_run(store: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters and tags of the only run."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient(f"file:{store}")
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return run.data.params, run.data.tags


def records(path: Path) -> Iterator[bytes]:
    """The records of a W&B file: LevelDB's log format, behind a header of seven bytes."""
    data, place, whole = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        size, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # full, last
            yield whole
            whole = b""


def from_wandb(folder: Path) -> Curves:
    """The offline files of a run, by W&B's own messages, in the order in which they were written."""
    messages: Any = import_module("wandb.proto.wandb_internal_pb2")
    found: Curves = {}
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    assert len({path.name for path in files}) == 1
    for path in files:
        for raw in records(path):
            record = messages.Record.FromString(raw)
            if record.WhichOneof("record_type") == "history":
                items = [i for i in record.history.item if len(i.nested_key) < 2]  # the others describe pictures
                row = {"".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}
                for tag, value in row.items():
                    if tag != STEP and tag[0] != "_":
                        found.setdefault(tag, []).append((row[STEP], value))
    return comparable(found)


def comparable(found: Curves) -> Curves:
    """In TensorBoard's precision, without what depends on the clock."""
    return {tag: [(step, float(np.float32(value))) for step, value in points] for tag, points in settled(found).items()}
