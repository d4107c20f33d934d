"""Finds what is wrong with a configuration before any data is read, all at once, with what to type instead."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embloom.assembly.build import did_you_mean

SINGLE, LISTS = (
    ("dataset", "encoder", "optimizer", "scheduler", "trainer", "init_from"),
    ("loss", "callbacks", "probe", "logger"),
)
MAPPING = "it must be a mapping of settings, as one of its yaml files has"
SOURCE = "name a run folder, an artifact, a checkpoint or a file of vectors, or null for none"
INIT_FROM = ("path", "map", "freeze", "thaw_epoch", "lr", "keep_rows", "anchor")
OUTER = {"of": ("encoder", "loss"), "weight": ("loss",)}  # keys of a node that are its surroundings', and whose
# What embloom gives Lightning's Trainer itself.
GIVEN = (
    "logger", "callbacks", "profiler", "default_root_dir", "plugins", "enable_progress_bar", "enable_model_summary",
    "enable_checkpointing", "num_sanity_val_steps", "use_distributed_sampler", "enable_autolog_hparams", "barebones",
)  # fmt: skip
ELSEWHERE = {
    "trainer.logger": "trainer.logger: loggers are a group, choose them with logger=[tensorboard,csv]",
    "trainer.callbacks": "trainer.callbacks: they are a group, choose them with callbacks=[default,...]",
}
PROFILERS = (None, "simple", "pytorch")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
MATMUL_PRECISIONS = ("highest", "high", "medium")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def problems(config: Mapping[str, Any], folder: Path) -> list[str]:
    """One message for each mistake that the configuration alone shows."""
    return of_kinds(config) or [
        *of_unknown(config),
        *of_names(config),
        *missing_parts(config),
        *of_seed(config),
        *of_evaluate(config),
        *of_optimize(config.get("optimize")),
        *of_trainer(config["trainer"]),
        *of_clipping(config["trainer"], config.get("optimizer") or {}),
        *of_weights(config.get("loss") or {}),
        *of_nested(config.get("nested")),
        *of_init_from(config.get("init_from") or {}, config["trainer"]),
        *of_folder(folder),
    ]


def of_kinds(config: Mapping[str, Any]) -> list[str]:
    """Whether every node is a mapping where the others expect one."""
    nodes = {group: config.get(group) for group in (*SINGLE, *LISTS)}
    given = {group: node for group, node in nodes.items() if node is not None and not isinstance(node, Mapping)}
    found = [f"{group}={node}: {SOURCE if group == 'init_from' else MAPPING}" for group, node in given.items()]
    for group in LISTS:
        options = nodes[group]
        if isinstance(options, Mapping):
            nodes |= {f"{group}.{name}": node for name, node in options.items()}
            found += [f"{group}.{name}={node}: {MAPPING}" for name, node in options.items() if not is_mapping(node)]
    for where, node in nodes.items():
        of = node.get("of") if isinstance(node, Mapping) else None
        names = isinstance(of, Mapping) and all(isinstance(name, str) for name in (*of, *of.values()))
        if of is not None and not names:
            found.append(f"{where}.of={of}: write '{where}.of={{parameter: tensor}}', or null")
    return found


def of_unknown(config: Mapping[str, Any]) -> list[str]:
    """Settings that nothing reads, which `+key=value` can add; those of parts are for the builder to find."""
    known = {
        "": (*SINGLE, *LISTS, "seed", "evaluate", "optimize", "nested"),
        "init_from": INIT_FROM,
        "trainer": trainer_options(),
    }
    found = [f"{key}={value}: nothing reads it; {did_you_mean(key, known[''])}"
             for key, value in config.items() if key not in known[""]]  # fmt: skip
    for group in ("init_from", "trainer"):
        found += [
            ELSEWHERE.get(f"{group}.{key}") or f"{group}.{key}: nothing reads it; {did_you_mean(key, known[group])}"
            for key in config.get(group) or {}
            if key not in known[group]
        ]
    for group in (*SINGLE, *LISTS):
        nodes = config.get(group) or {}
        named = {f"{group}.{name}": node for name, node in nodes.items()} if group in LISTS else {group: nodes}
        for where, node in named.items():
            outer = {key for key, groups in OUTER.items() if key in node and group not in groups}
            found += [f"{where}.{key}: nothing reads it here; leave it out" for key in sorted(outer)]
    return found


def trainer_options() -> list[str]:
    """What may be set of the trainer: Lightning's, but for what embloom gives it, and embloom's own."""
    from lightning.pytorch import Trainer

    lightning = [key for key in inspect.signature(Trainer).parameters if key not in GIVEN]
    return [*lightning, "matmul_precision", "min_batches", "profiler", "threads"]


def is_mapping(node: Any) -> bool:
    """Whether it is one."""
    return isinstance(node, Mapping)


def of_names(config: Mapping[str, Any]) -> list[str]:
    """Names of losses, callbacks and probes become names of modules and of curves."""
    return [
        f"{group}.{name}: a name is of letters, digits, - and _"
        for group in LISTS
        for name in config.get(group) or {}
        if not (isinstance(name, str) and re.fullmatch(r"[\w-]+", name))
    ]


def missing_parts(config: Mapping[str, Any]) -> list[str]:
    """Parts without which there is no model."""
    return [f"there is no {part}: choose one with {part}=..." for part in ("dataset", "encoder") if not config[part]]


def of_seed(config: Mapping[str, Any]) -> list[str]:
    """The seed is an integer that every generator takes."""
    seed = config["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        return [f"seed={seed}: it must be an integer of at least 0 and below 2^63"]
    return []


def of_weights(losses: Mapping[str, Any]) -> list[str]:
    """The weights of the terms."""
    found = []
    for name, node in losses.items():
        weight = node.get("weight", 1.0) if isinstance(node, Mapping) else 1.0
        number = isinstance(weight, (int, float)) and not isinstance(weight, bool) and 0 <= weight < float("inf")
        if not number and weight != "learned":
            found.append(f"loss.{name}.weight={weight}: it must be a number of at least 0, or learned")
    return found


def of_nested(widths: Any) -> list[str]:
    """The widths that are embeddings of their own."""
    if widths is None or (isinstance(widths, list) and widths and all(is_integer(width, 1) for width in widths)):
        return []
    return [f"loss.nested={widths}: write the widths in a list, such as loss.nested=[8,16,32], or null for none"]


def of_evaluate(config: Mapping[str, Any]) -> list[str]:
    """Which weights are tested and kept."""
    value = config["evaluate"]
    return [] if value in ("best", "last") else [f"evaluate={value}: it must be best or last"]


def of_optimize(value: Any) -> list[str]:
    """What a search improves."""
    names = value if isinstance(value, list) and value else [value]
    if value is None or all(isinstance(name, str) and name.removeprefix("-") for name in names):
        return []
    return [f"optimize={value}: name a metric, several in a list, or null for the first probe"]


def of_init_from(node: Mapping[str, Any], trainer: Mapping[str, Any]) -> list[str]:
    """How weights from elsewhere are trained."""
    found = []
    path, epoch, lr, freeze = (node.get(key) for key in ("path", "thaw_epoch", "lr", "freeze"))
    if path is not None and not (isinstance(path, str) and path):
        found.append(f"init_from={path}: {SOURCE}")
    if not isinstance(freeze or False, bool):
        found.append(f"init_from.freeze={freeze}: it must be true or false")
    if epoch is not None and not is_integer(epoch, 1):
        found.append(f"init_from.thaw_epoch={epoch}: it must be a positive integer; the first epoch is 0")
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
    if path is None:
        found += [f"init_from.{key} needs init_from=PATH" for key in INIT_FROM[1:] if node.get(key)]
    return found + of_growth(node)


def of_growth(node: Mapping[str, Any]) -> list[str]:
    """Whether known rows stay, or what it costs to move them."""
    found = []
    keep, anchor = node.get("keep_rows") or False, node.get("anchor") or 0.0
    if not isinstance(keep, bool):
        found.append(f"init_from.keep_rows={keep}: it must be true or false")
    if isinstance(anchor, bool) or not isinstance(anchor, (int, float)) or not 0 <= anchor < float("inf"):
        found.append(f"init_from.anchor={anchor}: it must be a number of at least 0")
    elif anchor and keep:
        found.append("init_from.anchor has no effect on rows that init_from.keep_rows=true holds: leave one out")
    elif anchor and node.get("freeze"):
        found.append("init_from.anchor has no effect on what init_from.freeze=true holds: leave one out")
    return found


def of_trainer(trainer: Mapping[str, Any]) -> list[str]:
    """The trainer's numbers, and whether the hardware it asks for is there."""
    found = []
    for key in ("max_epochs", "min_batches", "accumulate_grad_batches", "check_val_every_n_epoch"):
        if key in trainer and not is_integer(trainer[key], 1):
            found.append(f"trainer.{key}={trainer[key]}: it must be a positive integer")
    for key in ("log_every_n_steps", "threads"):
        if trainer.get(key, "auto") != "auto" and not is_integer(trainer[key], 1):
            found.append(f"trainer.{key}={trainer[key]}: it must be a positive integer, or auto")
    for key in ("limit_train_batches", "val_check_interval"):
        value = trainer.get(key, 1.0)
        share = isinstance(value, float) and 0 < value <= 1
        if not share and not is_integer(value, 1):
            found.append(
                f"trainer.{key}={value}: it must be a part of an epoch, above 0 and at most 1.0, or so many batches"
            )
    if not is_integer(trainer.get("max_steps", -1), 1) and trainer.get("max_steps", -1) != -1:
        found.append(f"trainer.max_steps={trainer['max_steps']}: it must be a positive integer, or -1 for no limit")
    clip = trainer.get("gradient_clip_val")
    if clip is not None and (isinstance(clip, bool) or not isinstance(clip, (int, float)) or clip <= 0):
        found.append(f"trainer.gradient_clip_val={clip}: it must be above 0, or null for none")
    if trainer.get("profiler") not in PROFILERS:
        found.append(f"trainer.profiler={trainer['profiler']}: it must be simple, pytorch, or null for none")
    precision, accelerator = trainer.get("precision"), trainer.get("accelerator")
    if precision not in PRECISIONS:
        found.append(f"trainer.precision={precision}: it must be one of {', '.join(PRECISIONS)}")
    matmul = trainer.get("matmul_precision")
    if matmul is not None and matmul not in MATMUL_PRECISIONS:
        found.append(f"trainer.matmul_precision={matmul}: it must be one of {', '.join(MATMUL_PRECISIONS)}")
    if accelerator not in ACCELERATORS:
        found.append(f"trainer.accelerator={accelerator}: it must be one of {', '.join(ACCELERATORS)}")
    else:
        found += of_hardware(str(accelerator), trainer.get("devices"), str(precision))
    return found


def of_clipping(trainer: Mapping[str, Any], optimizer: Mapping[str, Any]) -> list[str]:
    """Whether gradients can be clipped: in half precision a fused optimizer scales them where nobody can look."""
    if not trainer.get("gradient_clip_val") or trainer.get("precision") == "32-true" or not optimizer.get("fused"):
        return []
    return [
        "trainer.gradient_clip_val does not work with a fused optimizer in half precision: use optimizer.fused=false"
    ]


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


def is_integer(value: Any, at_least: int) -> bool:
    """Whether a value is an integer of at least so much; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least
