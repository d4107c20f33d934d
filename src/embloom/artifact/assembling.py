"""What a card describes, checked before it is built: shapes of weights, heads, and classes that are handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.saving import HEADS
from embloom.assembly.build import build
from embloom.assembly.wiring import Wire
from embloom.encoders.base import Encoder
from embloom.losses.base import Classifier


def check_shapes(node: Mapping[str, Any], supplied: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Compares what a card describes with the weights that are there, before memory is given to it.

    Raises:
        ValueError: they do not fit.
    """
    with torch.device("meta"):
        wanted = build(node, Encoder, where="encoder", supplied=supplied).state_dict()
    check_fit(wanted, weights, "the encoder in the card")


def check_fit(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor], what: str) -> None:
    """Compares weights that are there with those that something will have.

    Raises:
        ValueError: they have other names, shapes or kinds of numbers.
    """
    if wanted.keys() != weights.keys():
        odd = sorted(wanted.keys() ^ weights.keys())
        raise ValueError(f"the weights are not those of {what}: {', '.join(odd[:3])}")
    for name, tensor in wanted.items():
        there = weights[name]
        if tensor.shape != there.shape:
            raise ValueError(
                f"the weights are not those of {what}: {name} is {tuple(there.shape)}, not {tuple(tensor.shape)}"
            )
        if tensor.is_floating_point() != there.is_floating_point():
            raise ValueError(f"the weights are not those of {what}: {name} is {there.dtype}, not {tensor.dtype}")


def heads(card: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Wire]]:
    """The heads whose classes may be imported."""
    for name, about in card["heads"].items():
        try:
            module = build(about["node"], Classifier, where=f"loss.{name}", supplied={"sizes": about["sizes"]})
        except ValueError:
            continue  # `predict` says what to do
        prefix = f"{HEADS}{name}/"
        own = {key.removeprefix(prefix): w for key, w in weights.items() if key.startswith(prefix)}
        module.load_state_dict(own)
        wire = Wire(module.eval().scores, None, f"loss.{name}")
        wire.source = dict(about["source"])
        yield name, wire


def classes_by_target(card: Mapping[str, Any], handed: Mapping[str, Any]) -> dict[str, type]:
    """The classes that were handed over, by the targets that the card has for them."""
    found: dict[str, type] = {}
    for key in ("encoder", "reader"):
        if key in handed:
            found[str(card[key].get("_target_"))] = handed[key]
    losses = handed.get("loss")
    for name, about in card["heads"].items():
        if isinstance(losses, Mapping) and name in losses:
            found[str(about["node"].get("_target_"))] = losses[name]
    return found
