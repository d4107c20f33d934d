"""Builds the parts of a run from its configuration, and says everything that does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lightning.pytorch import Callback
from torch import nn
from torch.optim import Optimizer

from embloom.assembly.build import arguments, build, locate
from embloom.assembly.wiring import Wire
from embloom.callbacks.probing import Probing
from embloom.data.base import Dataset
from embloom.losses.weighted import WeightedLoss
from embloom.optim.schedules import Schedule
from embloom.optim.sparse import sparse_problems
from embloom.probes.frozen import Probe
from embloom.training.module import EmbeddingModule

T = TypeVar("T")


@dataclass
class Parts:
    """Everything that a run is made of, beside the trainer."""

    dataset: Dataset
    encoder: nn.Module
    module: EmbeddingModule
    callbacks: list[Callback]
    probes: dict[str, Probe]
    supplied: dict[str, Any]


class Problems:
    """Collects messages, so that a user sees all mistakes at once."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def attempt(self, make: Callable[[], T]) -> T | None:
        """Calls `make`; a ValueError becomes a message."""
        try:
            return make()
        except ValueError as error:
            self.messages.append(str(error))
            return None

    def raise_any(self) -> None:
        """Raises:
        ValueError: with all messages, a line each.
        """
        if self.messages:
            raise ValueError("\n".join(self.messages))


def build_parts(config: Mapping[str, Any]) -> Parts:
    """Builds every part that the configuration names; reads no data.

    Raises:
        ValueError: with a line for every mistake.
    """
    found = Problems()
    seed = config["seed"]
    callbacks = [
        found.attempt(lambda n=name, c=node: build(c, Callback, where=f"callbacks.{n}"))  # type: ignore[misc]
        for name, node in (config.get("callbacks") or {}).items()
    ]
    probes = {
        name: found.attempt(lambda n=name, c=node: build(c, Probe, where=f"probe.{n}"))  # type: ignore[misc]
        for name, node in (config.get("probe") or {}).items()
    }
    make_optimizer = found.attempt(lambda: optimizer_maker(config["optimizer"]))
    schedule = found.attempt(lambda: build(config["scheduler"], Schedule, where="scheduler"))
    dataset = found.attempt(lambda: build(config["dataset"], Dataset, where="dataset", supplied={"seed": seed}))
    if dataset is None:
        found.raise_any()
    assert dataset is not None
    if not dataset.sizes:
        # Reading takes time: first say what else is wrong.
        found.raise_any()
        dataset.measure()
    supplied = {"sizes": dict(dataset.sizes), "image_shape": dataset.image_shape}
    encoder = found.attempt(lambda: build(config["encoder"], nn.Module, where="encoder", supplied=supplied))
    loss = found.attempt(lambda: build_loss(config, dataset, encoder, supplied)) if encoder else None
    if encoder is None or loss is None or make_optimizer is None or schedule is None:
        found.raise_any()
    assert encoder is not None
    assert loss is not None
    assert make_optimizer is not None
    assert schedule is not None
    of = config["encoder"].get("of")
    found.messages += sparse_problems(encoder, loss, config["optimizer"], config["trainer"])
    module = found.attempt(lambda: EmbeddingModule(dataset, encoder, loss, of, make_optimizer, schedule, seed))
    found.raise_any()
    assert module is not None
    sound_probes = {name: probe for name, probe in probes.items() if probe is not None}
    for callback in callbacks:
        if isinstance(callback, Probing):
            callback.probes = sound_probes
    return Parts(dataset, encoder, module, [c for c in callbacks if c is not None], sound_probes, supplied)


def build_loss(
    config: Mapping[str, Any], dataset: Dataset, encoder: nn.Module, supplied: Mapping[str, Any]
) -> WeightedLoss:
    """The weighted terms, wired to the dataset's columns and the encoder's outputs.

    Raises:
        ValueError: a term does not fit them.
    """
    encoder_sizes: dict[str, int] = encoder.sizes  # type: ignore[assignment]
    sizes = {**dataset.sizes, **encoder_sizes}
    missing = Wire(encoder.forward, config["encoder"].get("of"), "encoder").missing(dataset.sizes)
    for name, node in config["loss"].items():
        cls = locate(node.get("_target_", ""), nn.Module, f"loss.{name}")
        wire = Wire(cls.forward, node.get("of"), f"loss.{name}")
        wire.required = [parameter for parameter in wire.required if parameter != "self"]
        missing += wire.missing(sizes)
    if missing:
        raise ValueError("\n".join(missing))
    return WeightedLoss(config["loss"], sizes, supplied)


def optimizer_maker(node: Mapping[str, Any]) -> Callable[[Any], Optimizer]:
    """Parameters -> the optimizer that the node describes.

    Raises:
        ValueError: the node does not fit its class.
    """
    cls = locate(node.get("_target_", ""), Optimizer, "optimizer")
    kwargs = arguments(cls, supplied={"params": ()}, node=node, where="optimizer")
    del kwargs["params"]
    kwargs = {key: tuple(value) if isinstance(value, list) else value for key, value in kwargs.items()}
    if not isinstance(kwargs.get("lr", 0.0), (int, float)) or kwargs.get("lr", 0.0) < 0:
        raise ValueError(f"optimizer.lr={kwargs['lr']}: it must be a number of at least 0")

    def make(parameters: Any) -> Optimizer:
        try:
            return cls(parameters, **kwargs)
        except (TypeError, ValueError) as error:
            raise ValueError(f"optimizer: {cls.__name__} does not take these arguments: {error}") from error

    return make
