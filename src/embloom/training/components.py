"""Builds the parts of a run from its configuration, and says everything that does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from embloom.assembly.build import arguments, build, locate, placed, taken
from embloom.assembly.kinds import wrong_kinds
from embloom.assembly.wiring import Wire
from embloom.callbacks.base import Callback
from embloom.data.base import Dataset
from embloom.data.features import features_of
from embloom.encoders.base import Encoder
from embloom.losses.nested import nested
from embloom.losses.weighted import WeightedLoss
from embloom.optim.schedules import Schedule
from embloom.optim.sparse import sparse_problems
from embloom.probes.base import Probe
from embloom.training.compatibility import OLD, Old, old_of
from embloom.training.growing import ANCHOR
from embloom.training.init_from import Start
from embloom.training.loggers.base import RunLogger
from embloom.training.module import EmbeddingModule

T = TypeVar("T")
# What a run logged to whose configuration is older than the choice.
BEFORE_LOGGERS = {"tensorboard": {"_target_": "embloom.training.loggers.tensorboard.TensorBoard"}}


@dataclass
class Components:
    """Everything that a run is made of, beside the trainer.

    Attributes:
        supplied: what the encoder's constructor took beside its settings.
        old: the embedding that this one is to be compatible with, if any.
    """

    dataset: Dataset
    encoder: Encoder
    module: EmbeddingModule
    callbacks: dict[str, Callback]
    probes: dict[str, Probe]
    supplied: dict[str, Any]
    loggers: dict[str, RunLogger]
    old: Old | None = None


@dataclass
class Problems:
    """Collects messages, so that a user sees all mistakes at once."""

    messages: list[str] = field(default_factory=list)

    def attempt(self, make: Callable[[], T]) -> T | None:
        """Calls `make`; a ValueError becomes a message."""
        try:
            return make()
        except ValueError as error:
            self.messages.append(str(error))
            return None

    def each(self, group: str, nodes: Mapping[str, Any] | None, base: type[T]) -> dict[str, T]:
        """Builds every node of a group whose options have names; those that fail become messages."""
        found: dict[str, T] = {}
        for name, node in (nodes or {}).items():
            try:
                found[name] = build(node, base, where=f"{group}.{name}")
            except ValueError as error:
                self.messages.append(str(error))
        return found

    def raise_any(self) -> None:
        """Raises:
        ValueError: with all messages, a line each.
        """
        if self.messages:
            raise ValueError("\n".join(self.messages))


def build_components(config: Mapping[str, Any], known: Mapping[str, list[str]] | None = None) -> Components:
    """Builds every part that the configuration names; reads data only where the sizes cannot be known without.

    Args:
        config: the run's.
        known: names that the dataset must have, see `Dataset.known`.

    Raises:
        ValueError: with a line for every mistake.
    """
    found = Problems()
    callbacks = found.each("callbacks", config.get("callbacks"), Callback)
    probes = found.each("probe", config.get("probe"), Probe)  # type: ignore[type-abstract]
    loggers = found.each("logger", config.get("logger", BEFORE_LOGGERS), RunLogger)
    make_optimizer = found.attempt(lambda: optimizer_maker(config["optimizer"], config.get("nested")))
    schedule = found.attempt(lambda: build(config["scheduler"], Schedule, where="scheduler"))
    old = found.attempt(lambda: old_of(config["loss"]))
    dataset = found.attempt(lambda: build_dataset(config))
    if dataset is not None:
        dataset.known = dict(known or {})
    if dataset is None or not dataset.sizes:
        # Reading takes time: first say what else is wrong.
        found.raise_any()
    assert dataset is not None
    dataset.ready()
    dataset.min_batches = int(config["trainer"].get("min_batches") or 1)
    offered = {"sizes": dict(dataset.sizes), "labels": dataset.class_counts(), **dataset.supplies}
    encoder = found.attempt(lambda: build_encoder(config["encoder"], offered))
    if old is not None:
        found.attempt(lambda: old.check(dataset))
        found.raise_any()
    loss = found.attempt(lambda: build_loss(config, dataset, encoder, offered, old)) if encoder else None
    if encoder is None or loss is None or make_optimizer is None or schedule is None:
        found.raise_any()
    assert encoder is not None
    assert loss is not None
    assert make_optimizer is not None
    assert schedule is not None
    found.messages += probe_problems(probes, encoder)
    found.messages += sparse_problems(encoder, loss, config["optimizer"], config["trainer"])
    found.raise_any()
    of = config["encoder"].get("of")
    module = EmbeddingModule(dataset, encoder, loss, of, make_optimizer, schedule, config["seed"])
    supplied = taken(type(encoder), {**offered, "sizes": renamed_sizes(config["encoder"], offered["sizes"])})
    return Components(dataset, encoder, module, callbacks, probes, supplied, loggers, old)


def build_dataset(config: Mapping[str, Any]) -> Dataset:
    """The dataset, which has read nothing yet.

    Raises:
        ValueError: the node does not fit its class.
    """
    node = {key: value for key, value in config["dataset"].items() if key != "features"}
    dataset: Dataset = build(node, Dataset, where="dataset", supplied={"seed": config["seed"]})
    if features := features_of(config["dataset"].get("features"), node.get("cache")):
        if not dataset.in_memory:
            why = "with dataset.stream=false it may fit" if "stream" in dataset.no_effect else "leave it out"
            raise ValueError(f"dataset.features: {type(dataset).__name__} does not hold its columns in memory: {why}")
        dataset.added = features
    # An empty path would be the current folder.
    if empty := [key for key in (*dataset.locations, "cache") if node.get(key) == ""]:
        raise ValueError("\n".join(f"dataset.{key}= is empty: name a file or folder, or leave it out" for key in empty))
    return dataset


def build_encoder(node: Mapping[str, Any], offered: Mapping[str, Any]) -> Encoder:
    """The encoder, which sees sizes under the names of its own parameters.

    Raises:
        ValueError: the node does not fit its class, or the encoder does not say what it returns.
    """
    supplied = {**offered, "sizes": renamed_sizes(node, offered["sizes"])}
    encoder = build(node, Encoder, where="encoder", supplied=supplied)
    sizes: Any = vars(encoder).get("sizes")
    if not isinstance(sizes, Mapping) or not sizes:
        raise ValueError(
            f"encoder: {type(encoder).__name__} does not say what it returns: set self.sizes, layer -> width, "
            "such as {'embedding': 16}"
        )
    return encoder


def renamed_sizes(node: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, int]:
    """The dataset's sizes as the encoder's `forward` names its tensors."""
    return Wire(locate(node.get("_target_", ""), Encoder, "encoder"), node.get("of"), "encoder").renamed(sizes)


def build_loss(
    config: Mapping[str, Any],
    dataset: Dataset,
    encoder: Encoder,
    offered: Mapping[str, Any],
    old: Old | None = None,
) -> WeightedLoss:
    """The weighted terms, wired to the dataset's columns and the encoder's outputs.

    Raises:
        ValueError: a term does not fit them, or there is none and the encoder has to be trained.
    """
    start = Start(config.get("init_from"))
    if not config["loss"] and not encoder.computed and not (start.freeze and start.thaw_epoch is None):
        raise ValueError("there is no loss: choose one, e.g. loss=cross_entropy")
    sizes = {**dataset.sizes, **encoder.sizes, **({OLD: old.width} if old else {})}
    wires = [Wire(encoder, config["encoder"].get("of"), "encoder")]
    missing = wires[0].missing(dataset.sizes, dataset.offers)
    for name, node in config["loss"].items():
        wires.append(Wire(locate(node.get("_target_", ""), nn.Module, f"loss.{name}"), node.get("of"), f"loss.{name}"))
        missing += wires[-1].missing(sizes, dataset.offers)
    if missing:
        raise ValueError("\n".join(missing))
    check_features_are_read(dataset, encoder, wires)
    try:
        widths = nested(config.get("nested"), encoder.nested, encoder.sizes, encoder.cut)
        return WeightedLoss({**config["loss"], **anchor(config)}, sizes, offered, widths)
    except ValueError as error:  # a loss knows the fitting width, and not what the other layers are
        inner, _, last = str(config["encoder"].get("layers", "")).rpartition("-")
        said = str(error)
        raise ValueError(said.replace("...-", f"{inner}-") if inner and last else said) from error


def check_features_are_read(dataset: Dataset, encoder: Encoder, wires: Sequence[Wire]) -> None:
    """Raises:
    ValueError: neither the encoder nor a loss reads what `dataset.features` adds.
    """
    read = {tensor for wire in wires for tensor in wire.source.values()}
    if dataset.added is not None and not read & dataset.added.sizes.keys():
        columns = " and ".join(dataset.added.sizes)
        raise ValueError(
            f"dataset.features: nothing reads {columns}, as {type(encoder).__name__} takes other columns: choose "
            "encoder=mlp or encoder=identity"
        )


def anchor(config: Mapping[str, Any]) -> dict[str, Any]:
    """The term that anchors what `init_from` starts, where that is wanted.

    Raises:
        ValueError: a term is called so already.
    """
    weight = (config.get("init_from") or {}).get(ANCHOR)
    if weight and ANCHOR in config["loss"]:
        raise ValueError(f"loss.{ANCHOR}: init_from.{ANCHOR} is a term of that name: call yours otherwise")
    return {ANCHOR: {"_target_": "embloom.losses.anchor.Anchor", "weight": weight}} if weight else {}


def probe_problems(probes: Mapping[str, Probe], encoder: Encoder) -> list[str]:
    """What probes ask about that the encoder does not have."""
    found = []
    for name, probe in probes.items():
        try:
            probe.check(encoder)
        except ValueError as error:
            found.append(placed(str(error), f"probe.{name}"))
    return found


def optimizer_maker(node: Mapping[str, Any], widths: Sequence[int] | None = None) -> Callable[[Any], Optimizer]:
    """Parameters -> the optimizer that the node describes; one that asks for `widths` gets the nested ones.

    Raises:
        ValueError: the node does not fit its class.
    """
    cls = locate(node.get("_target_", ""), Optimizer, "optimizer")
    kwargs = arguments(cls, supplied={"params": (), "widths": widths}, node=node, where="optimizer")
    del kwargs["params"]
    kwargs = {key: tuple(value) if isinstance(value, list) else value for key, value in kwargs.items()}
    if not isinstance(kwargs.get("lr", 0.0), (int, float)) or kwargs.get("lr", 0.0) < 0:
        raise ValueError(f"optimizer.lr={kwargs['lr']}: it must be a number of at least 0")
    if wrong := wrong_kinds(cls, {key: value for key, value in node.items() if key in kwargs}, "optimizer"):
        raise ValueError("\n".join(wrong))

    def make(parameters: Any) -> Optimizer:
        try:
            return cls(parameters, **kwargs)
        except (TypeError, ValueError, IndexError, RuntimeError) as error:
            said = placed(str(error), "optimizer")
            named = said.startswith("optimizer.")
            raise ValueError(
                said if named else f"optimizer: {cls.__name__} does not take these arguments: {said}"
            ) from error

    make([nn.Parameter(torch.zeros(1, 1))])  # says what is wrong with the numbers before data is read
    return make
