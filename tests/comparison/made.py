"""Run folders made by hand: real artifacts, configurations and states, without the training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from embloom.artifact.readers.base import Reader
from embloom.artifact.saving import save
from embloom.encoders.base import Encoder
from embloom.files.run_config import write_config
from embloom.files.run_state import RunState
from embloom.training.components import build_components
from trained import configuration

METRICS = {"val/loss": 0.5, "test/loss": 0.4, "test/loss_cross_entropy": 0.4, "test/accuracy_label": 0.9,
           "probe/knn_label": 0.9, "probe/linear_label": 0.8, "probe/chance_label": 0.1}  # fmt: skip


def made(folder: Path, *overrides: str, metrics: Mapping[str, float] = METRICS, state: str = "finished") -> Path:
    """A run of digits as if it had been trained, with untrained weights."""
    config = configuration(*overrides)
    parts = build_components(config)
    folder.mkdir(parents=True)
    write_config(folder, config)
    reason = "" if state == "finished" else "why"
    said = RunState("digits", "mlp", "+".join(config["loss"]), state=state, reason=reason, metrics=dict(metrics))
    dataset = parts.dataset
    said.data_options = {
        "locations": list(dataset.locations),
        "no_effect": list(dataset.no_effect),
        "training_only": list(dataset.training_only),
    }
    said.write(folder)
    with SummaryWriter(str(folder)) as events:
        for step in range(3):
            events.add_scalar("train/loss", 1.0 / (step + 1), step)
    if state == "finished":
        assert dataset.reader is not None
        keep(folder, parts.encoder, config["encoder"], parts.supplied, dataset.reader)
    return folder


@cache
def composed(loss: str) -> dict[str, Any]:
    return configuration(f"loss={loss}")


def quick(folder: Path, lr: float, seed: int, metrics: dict[str, float], loss: str = "cross_entropy") -> None:
    """A run of which only its settings and figures are there; one without figures has failed."""
    config = copy.deepcopy(composed(loss))
    config["optimizer"]["lr"], config["seed"] = lr, seed
    folder.mkdir(parents=True)
    RunState("digits", "mlp", loss, state="finished" if metrics else "failed", metrics=metrics).write(folder)
    write_config(folder, config)


def keep(folder: Path, encoder: Encoder, node: Any, supplied: Any, reader: Reader, **more: Any) -> None:
    """Writes the artifact."""
    save(folder / "embeddings", encoder=encoder, node=node, supplied=supplied, reader=reader, about={}, **more)


def cloud(count: int, width: int, seed: int, groups: int = 6) -> Tensor:
    """Points in groups."""
    draw = torch.Generator().manual_seed(seed)
    middles = 3 * torch.randn(groups, width, generator=draw)
    return middles[torch.arange(count) % groups] + torch.randn(count, width, generator=draw)


def names(count: int) -> list[str]:
    """As many different words."""
    return [f"word{i}" for i in range(count)]
