"""`init_from`: starts a model's layers from weights that another training left, and says what it did.

Where training starts is one rule: a resume continues its own checkpoint; else `init_from` gives what it has; else
weights are randomly initialised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from embloom.artifact.weights import TABLE, Source, read_source
from embloom.assembly.build import did_you_mean
from embloom.encoders.base import Encoder
from embloom.losses.weighted import WeightedLoss
from embloom.training.growing import Grown, class_rows, growing, of_state
from embloom.training.init_advice import advice, differing

OWN = "own"  # in a parameter group: the settings that are its own, which those of `optimizer` do not replace


class Start:
    """Which of an encoder's weights came from elsewhere, and how they are trained.

    Attributes:
        names: names in the encoder's state dict.
        origin: the source's path and content hash.
        freeze: those weights are never trained, or not before `thaw_epoch`.
        thaw_epoch: the first epoch, counted from 0, in which they are.
        lr: their own learning rate.
        grown: the rows that are kept or anchored, where the source is grown.
    """

    def __init__(self, node: Mapping[str, Any] | None) -> None:
        node = node or {}
        self.names: list[str] = []
        self.origin: dict[str, str] = {}
        self.thaw_epoch: int | None = node.get("thaw_epoch")
        self.freeze: bool = bool(node.get("freeze")) or self.thaw_epoch is not None
        self.lr: float | None = node.get("lr")
        self.keep: bool = bool(node.get("keep_rows"))
        self.grown: Grown | None = None

    def split(self, encoder: nn.Module) -> list[nn.Parameter]:
        """The parameters that were started."""
        parameters = dict(encoder.named_parameters())
        return [parameters[name] for name in self.names if name in parameters]

    def groups(self, encoder: nn.Module, parameters: Iterable[nn.Parameter]) -> list[Any]:
        """Parameter groups for an optimizer; what was started is a group of its own where that matters."""
        every = list(parameters)
        own = set(self.split(encoder)) if self.lr is not None or self.freeze else set()
        started = [p for p in every if p in own]
        if not started:
            return [{"params": every}]
        group: dict[str, Any] = {"params": started}
        if self.lr is not None:
            group |= {"lr": self.lr, OWN: ["lr"]}
        rest = [p for p in every if p not in own]
        return [{"params": rest}, group] if rest else [group]

    def hold(self, encoder: nn.Module, epoch: int) -> list[nn.Module]:
        """Freezes or thaws for an epoch.

        Returns:
            The modules that must stay in evaluation mode: those whose running statistics are frozen too.
        """
        if not self.freeze:
            return []
        frozen = self.thaw_epoch is None or epoch < self.thaw_epoch
        # Of a table whose known rows are kept, the new ones are trained.
        partly = {id(part) for part in self.grown.parameters().values()} if self.grown and self.keep else set()
        for parameter in (part for part in self.split(encoder) if id(part) not in partly):
            parameter.requires_grad_(not frozen)
            if frozen:
                parameter.grad = None
        names = set(self.names)
        return [
            module
            for prefix, module in encoder.named_modules()
            if frozen and any(f"{prefix}.{name}" in names for name, _ in module.named_buffers(recurse=False))
        ]

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a resume never needs the source."""
        grown = {"grown": self.grown.state()} if self.grown else {}
        return {"names": self.names, "origin": self.origin, **grown}

    def restore(self, state: Mapping[str, Any], encoder: Encoder, loss: WeightedLoss) -> None:
        """See `state`."""
        self.names, self.origin = list(state["names"]), dict(state["origin"])
        if "grown" in state:
            self.grown = of_state(encoder, loss, self.keep, state["grown"])


def source_of(node: Mapping[str, Any] | None) -> Source | None:
    """What `init_from` names, if anything.

    Raises:
        ValueError: it cannot be read.
    """
    if not node or node.get("path") is None:
        return None
    try:
        return read_source(node["path"])
    except ValueError as error:
        raise ValueError(f"init_from={node['path']}: {error}") from error


def known_names(node: Mapping[str, Any] | None, source: Source | None) -> dict[str, list[str]]:
    """What a grown vocabulary must have: column -> names, and label -> classes. Nothing where nothing is grown."""
    return {**source.labels, **source.columns} if source is not None and growing(node) else {}


def begin(
    encoder: Encoder,
    node: Mapping[str, Any] | None,
    rows: Mapping[str, list[str]],
    say: bool = True,
    source: Source | None = None,
    loss: WeightedLoss | None = None,
    classes: Mapping[str, list[str]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Start:
    """Starts an encoder from what `init_from` names.

    Args:
        encoder: with its weights randomly initialised; changed in place.
        node: the `init_from` settings.
        rows: table, or column -> what its rows are called.
        say: print what was loaded, skipped or mismatched.
        source: what `init_from` names, if it has been read.
        loss: whose heads grow with the classes, likewise.
        classes: label -> what its classes are called.
        settings: of the encoder.

    Returns:
        What was started.

    Raises:
        ValueError: the source cannot be read, nothing of it fits, or `init_from.map` names what is not there.
    """
    start = Start(node)
    said = encoder.start()
    if said and say:
        print("\n".join(said))
    source = source or source_of(node)
    if not node or source is None:
        return start
    match = Match(encoder, source, rows)
    if growing(node) and loss is not None:
        match.grow(encoder, loss, classes or {})
    for here, there in (node.get("map") or {}).items():
        match.mapped(str(here), str(there))
    match.by_name()
    other = differing(settings or {}, source.encoder)
    if say:
        print(f"init_from {source.path}:")
        print("\n".join(match.report()))
        if other:
            print(f"  note: it was trained with {' '.join(other)}; to compute the same, add that")
    if not match.loaded:
        what = advice(match.source, settings or {}, other, list(match.target), bool(rows))
        raise ValueError(f"init_from={node['path']}: nothing in it fits the encoder{what}")
    start.names = list(match.loaded)
    start.origin = {"path": str(source.path), "content_hash": source.content_hash}
    if growing(node) and loss is not None:
        start.grown = Grown(encoder, loss, match.began(start.keep), start.keep, known_names(node, source))
    trainable = [p for p in encoder.parameters() if p.requires_grad]
    if start.freeze and start.thaw_epoch is None:
        start.hold(encoder, 0)
    elif start.thaw_epoch and len(start.split(encoder)) == len(trainable) > 0:
        raise ValueError(
            f"init_from.thaw_epoch={start.thaw_epoch}: all of the encoder was started, so there is nothing to train "
            "before that epoch: leave it out"
        )
    return start


class Match:
    """Finds for the tensors of an encoder those of a source, copies what fits and remembers what happened."""

    def __init__(self, encoder: nn.Module, source: Source, rows: Mapping[str, list[str]]) -> None:
        self.target: dict[str, Tensor] = encoder.state_dict()
        self.source, self.rows = source, rows
        self.loaded: dict[str, str] = {}
        self.mismatched: dict[str, str] = {}
        self.used: set[str] = set()
        self.classes: dict[str, tuple[list[str], list[str]]] = {}
        self.by_row: dict[str, Tensor] = {}  # of what was taken row by row, which rows

    def grow(self, encoder: nn.Module, loss: WeightedLoss, names: Mapping[str, list[str]]) -> None:
        """Matches classes by name too, and the heads of losses."""
        self.classes = class_rows(encoder, loss, self.source, names)
        self.source.weights |= self.source.head_weights
        for name in self.classes:
            if name not in self.target:
                _, term, key = name.split("/", 2)
                self.target[name] = loss.terms[term].state_dict()[key]

    def began(self, keep: bool) -> dict[str, tuple[Tensor, Tensor]]:
        """Name -> rows that were started, and their values: to be kept, those that have names; to be anchored, all.

        Raises:
            ValueError: no row that could be kept has a name.
        """
        rows = dict(self.by_row)
        if not keep:
            whole = {name: self.target[name] for name in self.loaded if name not in rows and self.target[name].ndim}
            rows |= {name: torch.arange(len(tensor)) for name, tensor in whole.items() if tensor.is_floating_point()}
        if not rows:
            raise ValueError("init_from.keep_rows=true: no table of the source has named rows to be kept: leave it out")
        return {name: (some, self.target[name][some]) for name, some in rows.items()}

    def mapped(self, here: str, there: str) -> None:
        """One entry of the map: a tensor, or all that begin with a prefix.

        Raises:
            ValueError: there is no such tensor on one of the sides, or they do not fit.
        """
        names = [name for name in self.target if name == here or name.startswith(f"{here}.")]
        if not names:
            raise ValueError(
                f"init_from.map.{here}: the encoder has no such weights; {did_you_mean(here, self.target)}"
            )
        found = {name: self.source.find(there + name[len(here) :]) for name in names}
        if not any(found.values()):
            hint = did_you_mean(there, self.source.weights)
            raise ValueError(f"init_from.map.{here}={there}: the source has no such weights; {hint}")
        for name, other in found.items():
            if other is not None:
                self.take(name, other)
        if not any(name in self.loaded for name in names):
            raise ValueError(f"init_from.map.{here}={there}: {'; '.join(self.mismatched.values())}")

    def by_name(self) -> None:
        """Everything that no map has named."""
        for name in self.target:
            if name in self.loaded or name in self.mismatched:
                continue
            other = self.source.find(name)
            if other is None and self.words(name) is not None:
                other = self.main_table()
            if other is not None:
                self.take(name, other)

    def words(self, name: str) -> list[str] | None:
        """What the rows of one of the encoder's tensors are called."""
        found = self.rows.get(name, self.rows.get(name.removesuffix(".weight")))
        return found if found is not None else self.rows.get(name.rpartition(".")[2])

    def main_table(self) -> str | None:
        """The source's table of words that stands for any: `embedding`, or the only one."""
        tables = [name for name in map(self.source.find, self.source.keys) if name is not None]
        if TABLE in self.source.keys:
            return self.source.find(TABLE)
        return tables[0] if len(tables) == 1 else None

    @torch.no_grad()
    def take(self, name: str, other: str) -> None:
        """Copies a tensor; rows that are words by word."""
        mine, theirs, words = self.target[name], self.source.weights[other], self.words(name)
        self.used.add(other)
        keys = self.source.rows(other)
        if name in self.classes and len(theirs) == len(self.classes[name][1]):
            words, keys = self.classes[name]
        if words is not None and len(words) != len(mine):  # called like a column, and not about it
            words = None
        if words is not None and keys is not None and mine.shape[1:] == theirs.shape[1:]:
            number = {word: row for row, word in enumerate(keys)}
            shared = [(row, number[word]) for row, word in enumerate(words) if word in number]
            if shared:
                here, there = torch.tensor(shared).unbind(1)
                mine[here] = theirs[there].to(mine)
                self.by_row[name] = here
                share = f"{len(shared):,} of {len(words):,} rows by word, the rest randomly initialised"
                self.loaded[name] = f"{other}: {share}" if other != name else share
            else:
                self.mismatched[name] = f"no word of {name} is in {other}"
        elif mine.shape != theirs.shape:
            self.mismatched[name] = f"{name} is {size(mine)} here, {other} is {size(theirs)} there"
        elif words is not None and keys is None:
            self.mismatched[name] = f"{other} has no row names, so its rows cannot be told apart"
        else:
            mine.copy_(theirs)
            self.loaded[name] = f"{other}: {size(mine)}" if other != name else size(mine)

    def report(self) -> list[str]:
        """A line for every tensor of either side."""
        lines = [f"  loaded      {name} <- {text}" for name, text in self.loaded.items()]
        lines += [f"  mismatched  {text}" for text in self.mismatched.values()]
        rest = [name for name in self.target if name not in self.loaded and name not in self.mismatched]
        lines += [f"  initialised {name}: not in the source" for name in rest]
        unused = [name for name in self.source.weights if name not in self.used]
        return lines + [f"  skipped     {name} of the source: nothing here takes it" for name in unused]


def size(tensor: Tensor) -> str:
    """`1024x512`; `1` for a scalar."""
    return "x".join(map(str, tensor.shape)) or "1"
