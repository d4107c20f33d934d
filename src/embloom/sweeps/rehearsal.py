"""What a run will have measured, found out before it trains: its probes are tried on random vectors.

So a metric that does not exist is refused at once, for the probes of a user's own too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from embloom.assembly.build import did_you_mean
from embloom.files.sweep import Job
from embloom.probes.base import Frozen
from embloom.probes.run import measured
from embloom.sweeps.objectives import Objective, default, is_error
from embloom.training.components import Components
from embloom.training.preparing import prepared

SAMPLES = 64  # of each class at least one


@dataclass
class Expected:
    """The metrics of a run.

    Attributes:
        tags: those that are known.
        complete: all probes could be tried, so there will be no others.
    """

    tags: list[str]
    complete: bool


def expected(config: Mapping[str, Any]) -> Expected:
    """What a run with this configuration measures.

    Raises:
        ValueError: its parts do not fit.
    """
    components = prepared(config)
    loss = components.module.loss
    kinds = [
        "loss",
        *(f"loss_{name}" for name in loss.terms),
        *(f"accuracy_{name}" for name in loss.by_label().values()),
    ]
    tags = [f"{split}/{kind}" for split in ("val", "test") for kind in kinds] if loss.terms else []
    found = measured(components.probes, random_vectors(components))
    return Expected([*tags, *found.values], not found.failed)


def random_vectors(components: Components) -> Frozen:
    """Random layers of a few samples, with labels of every class."""
    dataset, encoder = components.dataset, components.encoder
    draw = torch.Generator().manual_seed(0)
    labels = dataset.class_counts()
    count = max([SAMPLES, *(2 * classes for classes in labels.values())])
    layers = [name for name in encoder.activations() if name in encoder.sizes]

    def split() -> dict[str, torch.Tensor]:
        columns = {label: torch.arange(count) % classes for label, classes in labels.items()}
        return {**columns, **{name: torch.randn(count, encoder.sizes[name], generator=draw) for name in layers}}

    return Frozen(split(), split(), labels, activations=layers)


def decided(asked: Any, config: Mapping[str, Any], pruned_by: Any = None) -> list[Objective]:
    """What a search improves.

    Args:
        asked: `optimize`, checked: a name, several, or None for the first probe.
        config: of the first run.
        pruned_by: another metric that must be there.

    Raises:
        ValueError: a run has no such metric, or to raise it would be to worsen it.
    """
    will = expected(config)
    texts = [asked] if isinstance(asked, str) else list(asked or [])
    chosen = [Objective.of(text) for text in texts] or default([dict.fromkeys(will.tags, 0.0)])
    for where, given in {"optimize": chosen, "hydra.sweeper.prune_by": [Objective.of(pruned_by or "")]}.items():
        for objective in given:
            check(objective, will, where)
    if len({objective.tag for objective in chosen}) < len(chosen):
        raise ValueError(f"optimize={texts}: it names a metric twice")
    return chosen


def check_asked(jobs: Sequence[Job]) -> None:
    """What a sweep's last table is sorted by is measured by some of its runs; one of each kind is tried.

    Raises:
        ValueError: none of them has such a metric.
    """
    wrong = None
    for job in {tuple(job.names.values()): job for job in jobs if job.config.get("optimize")}.values():
        try:
            decided(job.config["optimize"], job.config)
            return
        except ValueError as error:
            wrong = error
    if wrong:
        raise wrong


def check(objective: Objective, will: Expected, where: str) -> None:
    """Raises:
    ValueError: a run has no such metric, or more of it is worse.
    """
    tag = objective.tag
    if not tag:
        return
    if tag not in will.tags and (will.complete or not tag.startswith("probe/")):
        near = did_you_mean(tag, will.tags)
        hint = f"; {near}" if near.endswith("?") else "."
        raise ValueError(f"{where}={tag}: a run will have no such metric{hint} A run has {', '.join(will.tags)}")
    if is_error(tag) and not objective.lower:
        raise ValueError(f"{where}={tag}: less of it is better: {where}=-{tag}")
