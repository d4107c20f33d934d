"""The parts of a run with their first weights: for a new one, or on the data that a checkpoint was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from embloom.data.base import Dataset
from embloom.probes.base import table_keys
from embloom.seeding import mix
from embloom.training import ddp
from embloom.training.changed_data import check_same_data
from embloom.training.components import Components, build_components, build_dataset
from embloom.training.init_from import Start, begin, known_names, source_of


def prepared(config: Mapping[str, Any], checkpoint: Mapping[str, Any] | None = None) -> Components:
    """Builds the parts, with the initial weights that the seed gives; a fresh start takes those of `init_from`.

    Args:
        config: the run's.
        checkpoint: what it goes on from; None is a fresh start.
    """
    node = config.get("init_from")
    source = source_of(node) if checkpoint is None else None
    grown = checkpoint["start"].get("grown", {}).get("known", {}) if checkpoint else known_names(node, source)
    torch.manual_seed(mix(config["seed"]))
    components = build_components(config, grown)
    module = components.module
    if checkpoint is None:
        dataset = components.dataset
        keys = {**dataset.keys(), **table_keys(components.encoder, dataset)}
        classes = {label: dataset.class_names(label) for label in dataset.labels}
        module.start = begin(
            components.encoder, node, keys, not ddp.is_worker(), source, module.loss, classes, config["encoder"]
        )
        if not config["loss"] and not components.encoder.computed:
            check_all_started(components)
    else:
        module.start = Start(node)
    return components


def check_all_started(components: Components) -> None:
    """Raises:
    ValueError: without a loss, weights are left that came from nowhere.
    """
    fresh = [name for name in components.encoder.state_dict() if name not in components.module.start.names]
    if fresh:
        raise ValueError(
            f"nothing is trained, as there is no loss, and init_from has no weights that fit {fresh[0]}"
            f"{f' and {len(fresh) - 1} more' if len(fresh) > 1 else ''}: give the encoder the settings that it was "
            "trained with (embloom card RUN), or choose a loss"
        )


def rebuilt(
    config: Mapping[str, Any], checkpoint: Mapping[str, Any] | None, folder: Path, accept: bool
) -> tuple[Components, dict[str, Any]]:
    """The parts to resume with, on the data that the checkpoint was trained on, and the fingerprint of that.

    Raises:
        ValueError: the configuration does not fit, or the data has changed.
    """

    if checkpoint is None:
        return prepared(config), {}

    def checked(dataset: Dataset) -> dict[str, Any]:
        dataset.prepare_data()
        dataset.setup("fit")
        found = dataset.fingerprint()
        check_same_data(found, checkpoint["data"], folder, accept)
        return found

    try:
        components = prepared(config, checkpoint)
    except ValueError:
        checked(build_dataset(config))  # the parts fitted before: it may be the data that no longer does
        raise
    return components, checked(components.dataset)
