"""An encoder and what comes after it: the stages that a card lists under `after`, each for one layer.

Nobody who asks for a layer or a table can tell: its vectors are those after the last stage. Heads alone see what the
encoder itself says, since they were trained on that.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from embloom.artifact.assembling import check_fit
from embloom.artifact.saving import AFTER
from embloom.artifact.stages.base import Quantizer, Stage
from embloom.assembly.build import build
from embloom.encoders.base import Encoder

ROWS = 65_536  # of a table, at a time


@dataclass(frozen=True)
class After:
    """A stage and where it stands.

    Attributes:
        layer: the layer that it is for.
        node: its class and options, plain containers.
        stage: the module.
        stored: the encoder has the codes of the layer's vectors, and the stage decodes them.
    """

    layer: str
    node: Mapping[str, Any]
    stage: Stage
    stored: bool = False

    def described(self) -> dict[str, Any]:
        """For the card."""
        return {"layer": self.layer, "node": dict(self.node), "stored": self.stored}


class Staged(Encoder):
    """An encoder whose layers go through stages.

    A layer with positions goes through them position by position, but for rounding, which is of an input's vector and
    comes when positions have been averaged, see `rounded`; places of an image are averaged first.

    Args:
        encoder: the encoder itself, in evaluation mode.
        after: the stages, in the order in which they are applied.

    Raises:
        ValueError: a stage does not fit what it is given, or stands where there is nothing.
    """

    def __init__(self, encoder: Encoder, after: Sequence[After]) -> None:
        super().__init__()
        self.inner, self.after = encoder, list(after)
        self.stages = nn.ModuleList([one.stage for one in after])
        self.sizes = {**encoder.sizes}
        for number, one in enumerate(after):
            self.check(number, one)
            self.sizes[one.layer] = one.stage.gives
        self.made: dict[str, Tensor] = {}

        def forward(*arguments: Any, **tensors: Any) -> dict[str, Tensor]:
            outputs = encoder(*arguments, **tensors)
            return {name: self.applied(name, rows) for name, rows in outputs.items()}

        forward.__signature__ = inspect.signature(encoder.forward)  # type: ignore[attr-defined]
        self.forward = forward

    def check(self, number: int, one: After) -> None:
        """See the class."""
        where = f"{AFTER}.{number}"
        if one.layer not in self.sizes:
            raise ValueError(f"{where}: there is no layer '{one.layer}'; available: {', '.join(self.sizes)}")
        width = self.sizes[one.layer]
        takes = one.stage.takes
        if one.stored:
            if not isinstance(one.stage, Quantizer) or any(o.layer == one.layer for o in self.after[:number]):
                raise ValueError(f"{where}: nothing stores the codes that it decodes")
            table = self.inner.tables().get(one.layer)
            if table is None or table.dtype != one.stage.dtype:
                raise ValueError(f"{where}: '{one.layer}' is no table of its codes")
            takes = one.stage.code_width
        if width != takes:
            raise ValueError(f"{where}: it takes vectors of {takes} numbers, and layer '{one.layer}' has {width}")

    @property
    def plain(self) -> Encoder:
        """See `Encoder`."""
        return self.inner

    def of(self, layer: str) -> list[After]:
        """The stages of a layer, in order."""
        return [one for one in self.after if one.layer == layer]

    def applied(self, layer: str, rows: Tensor) -> Tensor:
        """What the encoder says of a layer -> what it is after the stages."""
        for one in self.of(layer):
            if one.stored:
                assert isinstance(one.stage, Quantizer)
                rows = one.stage.decode(rows)
                continue
            rows = rows.flatten(2).mean(2) if rows.ndim > 3 else rows
            if not one.stage.rounds or rows.ndim == 2:
                rows = one.stage(rows.float())
        return rows

    def rounded(self, layer: str, vectors: Tensor) -> Tensor:
        """Vectors of inputs (N, D) as the layer's last stage rounds them; those that are rounded stay."""
        last = self.quantizer(layer)
        return vectors if last is None or last.stored else last.stage(vectors)

    def quantizer(self, layer: str) -> After | None:
        """The last stage of a layer, where that rounds."""
        found = self.of(layer)[-1:]
        return found[0] if found and isinstance(found[0].stage, Quantizer) else None

    @torch.no_grad()
    def tables(self) -> dict[str, Tensor]:
        """The encoder's, after the stages; made once."""
        for name, rows in self.inner.tables().items():
            if name not in self.made:
                parts = [self.applied(name, part) for part in rows.detach().split(ROWS)] if self.of(name) else [rows]
                self.made[name] = torch.cat(parts) if len(parts) > 1 else parts[0]
        return self.made

    def activations(self) -> list[str]:
        """See `Encoder`."""
        return self.inner.activations()

    def scores(self, user: Tensor) -> Tensor:
        """See `Encoder`."""
        return self.inner.scores(user)

    @property
    def recommends(self) -> bool:
        """See `Encoder`."""
        return self.inner.recommends

    @property
    def decodes(self) -> bool:
        """Whether the encoder has a decoder, and `embedding` still is what that takes, though rounded."""
        return self.inner.decodes and all(one.stage.rounds for one in self.of("embedding"))

    def decode(self, embedding: Tensor) -> Tensor:
        """See `Encoder`."""
        return self.inner.decode(embedding)


def staged(encoder: Encoder, card: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Encoder:
    """An encoder with what a card says comes after it.

    Args:
        encoder: the encoder itself.
        card: of the artifact.
        weights: all tensors of the artifact.

    Raises:
        ValueError: a stage is unknown, or does not fit its weights or what it is given.
    """
    found = list(stages_of(card.get(AFTER) or [], weights))
    made = Staged(encoder.eval(), found) if found else encoder
    return made.eval()


def stages_of(entries: Sequence[Mapping[str, Any]], weights: Mapping[str, Tensor]) -> Iterator[After]:
    """The stages of a card with their weights."""
    for number, entry in enumerate(entries):
        where, prefix = f"{AFTER}.{number}", f"{AFTER}/{number}/"
        own = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        with torch.device("meta"):
            check_fit(build(entry["node"], Stage, where=where).state_dict(), own, where)
        stage = build(entry["node"], Stage, where=where)
        stage.load_state_dict(own)
        yield After(entry["layer"], entry["node"], stage.requires_grad_(False), bool(entry.get("stored")))


def weights_of(after: Sequence[After]) -> dict[str, Tensor]:
    """The tensors of stages under the names that an artifact gives them."""
    return {
        f"{AFTER}/{number}/{name}": tensor
        for number, one in enumerate(after)
        for name, tensor in one.stage.state_dict().items()
    }
