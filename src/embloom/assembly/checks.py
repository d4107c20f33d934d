"""Finds what is wrong with a configuration before any data is read, all at once, with what to type instead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "bf16-true", "16-true", "64-true")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def problems(config: Mapping[str, Any], folder: Path) -> list[str]:
    """One message for each mistake that the configuration alone shows."""
    return [
        *missing_parts(config),
        *of_seed(config),
        *of_evaluate(config),
        *of_trainer(config["trainer"]),
        *of_init_from(config.get("init_from") or {}, config["trainer"]),
        *of_folder(folder),
    ]


def missing_parts(config: Mapping[str, Any]) -> list[str]:
    """Parts without which there is no model."""
    return [
        f"there is no {part}: choose one with {part}=..." for part in ("dataset", "encoder", "loss") if not config[part]
    ]


def of_seed(config: Mapping[str, Any]) -> list[str]:
    """The seed is a whole number that every generator takes."""
    seed = config["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        return [f"seed={seed}: it must be a whole number of at least 0"]
    return []


def of_evaluate(config: Mapping[str, Any]) -> list[str]:
    """Which weights are tested and kept."""
    value = config["evaluate"]
    return [] if value in ("best", "last") else [f"evaluate={value}: it must be best or last"]


def of_init_from(node: Mapping[str, Any], trainer: Mapping[str, Any]) -> list[str]:
    """How weights from elsewhere are trained."""
    found = []
    epoch, lr, freeze = node.get("thaw_epoch"), node.get("lr"), node.get("freeze")
    if epoch is not None and (isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 1):
        found.append(f"init_from.thaw_epoch={epoch}: it must be a whole number of at least 1; the first epoch is 0")
    if epoch is not None and trainer.get("devices") not in (1, "auto"):
        found.append("init_from.thaw_epoch does not work with several trainer.devices: use one, or leave it out")
    if lr is not None and (isinstance(lr, bool) or not isinstance(lr, (int, float)) or lr < 0):
        found.append(f"init_from.lr={lr}: it must be a number of at least 0")
    if lr is not None and freeze and epoch is None:
        found.append(
            "init_from.lr has no effect with init_from.freeze=true: leave one out, or add init_from.thaw_epoch"
        )
    if node.get("map") is not None and not isinstance(node["map"], Mapping):
        found.append(f"init_from.map={node['map']}: write 'init_from.map={{weights here: weights there}}'")
    if node.get("path") is None:
        found += [
            f"init_from.{key} needs init_from=PATH" for key in ("map", "freeze", "thaw_epoch", "lr") if node.get(key)
        ]
    return found


def of_trainer(trainer: Mapping[str, Any]) -> list[str]:
    """The trainer's numbers, and whether the hardware it asks for is there."""
    found = []
    for key, least in (("max_epochs", 1), ("log_every_n_steps", 1), ("accumulate_grad_batches", 1)):
        value = trainer.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            found.append(f"trainer.{key}={value}: it must be a whole number of at least {least}")
    clip = trainer.get("gradient_clip_val")
    if clip is not None and (isinstance(clip, bool) or not isinstance(clip, (int, float)) or clip <= 0):
        found.append(f"trainer.gradient_clip_val={clip}: it must be above 0, or null for none")
    precision, accelerator = trainer.get("precision"), trainer.get("accelerator")
    if precision not in PRECISIONS:
        found.append(f"trainer.precision={precision}: it must be one of {', '.join(PRECISIONS)}")
    if accelerator not in ACCELERATORS:
        found.append(f"trainer.accelerator={accelerator}: it must be one of {', '.join(ACCELERATORS)}")
    else:
        found += of_hardware(str(accelerator), trainer.get("devices"), str(precision))
    return found


def of_hardware(accelerator: str, devices: Any, precision: str) -> list[str]:
    """Whether torch sees what is asked for."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if accelerator in ("gpu", "cuda") and not gpus:
        return [f"trainer.accelerator={accelerator}, but torch sees no GPU here: use trainer=cpu or trainer=auto"]
    if accelerator == "mps" and not torch.backends.mps.is_available():
        return ["trainer.accelerator=mps, but torch sees no Apple GPU here: use trainer=cpu or trainer=auto"]
    if isinstance(devices, bool) or not (isinstance(devices, (int, list)) or devices == "auto") or devices == 0:
        return [f"trainer.devices={devices}: it must be auto, a number of at least 1, or a list of GPU numbers"]
    if gpus and accelerator != "cpu" and isinstance(devices, int) and devices > gpus:
        return [f"trainer.devices={devices}, but torch sees {gpus} GPU(s) here"]
    if precision == "16-mixed" and (accelerator == "cpu" or (accelerator == "auto" and not gpus)):
        return ["trainer.precision=16-mixed needs a GPU: use trainer.precision=bf16-mixed or 32-true on the CPU"]
    return []


def of_folder(folder: Path) -> list[str]:
    """Whether the run folder can be written."""
    place = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    if not place.is_dir():
        return [f"the run folder {folder} cannot be made: {place} is a file. Choose another with hydra.run.dir=..."]
    if not os.access(place, os.W_OK | os.X_OK):
        return [f"the run folder {folder} cannot be written: choose another with hydra.run.dir=..."]
    return []
