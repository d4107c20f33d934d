"""Run folders made by hand: real artifacts, configurations and states, without the training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from embloom.artifact import embedding as artifact
from embloom.files.run_folder import CONFIG, RunState
from embloom.training.components import build_parts
from training import configuration

METRICS = {"val/loss": 0.5, "test/loss": 0.4, "test/loss_cross_entropy": 0.4, "test/accuracy_cross_entropy": 0.9,
           "probe/knn_label": 0.9, "probe/linear_label": 0.8, "probe/chance_label": 0.1}  # fmt: skip


def made(folder: Path, *overrides: str, metrics: Mapping[str, float] = METRICS, state: str = "finished") -> Path:
    """A run of digits as if it had been trained, with untrained weights."""
    config = configuration(*overrides)
    parts = build_parts(config)
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    reason = "" if state == "finished" else "why"
    RunState("digits", "mlp", "+".join(config["loss"]), state=state, reason=reason, metrics=dict(metrics)).write(folder)
    with SummaryWriter(str(folder)) as events:
        for step in range(3):
            events.add_scalar("train/loss", 1.0 / (step + 1), step)
    if state == "finished":
        keep(folder, parts.encoder, config["encoder"], parts.supplied, parts.dataset.inputs())
    return folder


def keep(folder: Path, encoder: nn.Module, node: Any, supplied: Any, inputs: Any, **more: Any) -> None:
    """Writes the artifact."""
    artifact.save(folder / "embeddings", encoder=encoder, node=node, supplied=supplied, inputs=inputs, about={}, **more)


def cloud(count: int, width: int, seed: int, groups: int = 6) -> Tensor:
    """Points in groups."""
    draw = torch.Generator().manual_seed(seed)
    middles = 3 * torch.randn(groups, width, generator=draw)
    return middles[torch.arange(count) % groups] + torch.randn(count, width, generator=draw)


def names(count: int) -> list[str]:
    """As many different words."""
    return [f"word{i}" for i in range(count)]
