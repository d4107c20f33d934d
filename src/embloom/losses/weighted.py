"""The weighted sum of named loss terms; one term is the same code as five."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from embloom.assembly.build import build, locate
from embloom.assembly.wiring import Wire
from embloom.losses.base import Classifier
from embloom.losses.nested import Nested

LEARNED = "learned"


class WeightedLoss(nn.Module):
    """Sums named terms, each a loss module wired to the tensors that its `forward` names.

    A weight is a number, or `learned`: the term L then counts exp(-s) L + s / 2, where s, the logarithm of its
    noise's variance, is trained with the rest (Kendall et al. 2018, equations 7 and 10).

    Args:
        terms: term -> its config node: `_target_`, `weight` (default 1), `of` (renames), constructor arguments.
        sizes: tensor -> width or number of classes; a loss sees them under its own parameter names, so a head
            reads `sizes["embedding"]` and `sizes["target"]`.
        supplied: more values offered to the constructors by parameter name.
        nested: widths of the embedding at which each term that reads it is taken too, by a module of its own, so that
            a classifier has a head for each; the term is the sum.

    Raises:
        ValueError: a node does not fit its class.
    """

    def __init__(
        self,
        terms: Mapping[str, Mapping[str, Any]],
        sizes: Mapping[str, int],
        supplied: Mapping[str, Any],
        nested: Nested | None = None,
    ) -> None:
        super().__init__()
        self.terms, self.narrower = nn.ModuleDict(), nn.ModuleDict()
        self.nested, self.narrow_wires = nested, dict[str, dict[int, Wire]]()
        self.wires: dict[str, Wire] = {}
        self.scorers: dict[str, Wire] = {}
        self.weights: dict[str, float] = {}
        self.log_variances = nn.ParameterDict()
        for name, node in terms.items():
            where = f"loss.{name}"
            weight = node.get("weight", 1.0)
            if weight == LEARNED:
                self.log_variances[name] = nn.Parameter(torch.zeros(()))
            else:
                self.weights[name] = checked_weight(weight, where)
            module = built(node, sizes, supplied, where)
            try:
                self.terms[name] = module
            except KeyError as error:
                raise ValueError(f"{where}: a loss cannot be called so, torch's modules have that name") from error
            self.wires[name] = Wire(module, node.get("of"), where)
            if isinstance(module, Classifier):
                self.scorers[name] = scorer(module, self.wires[name].source, where)
            if nested is not None and set(self.wires[name].source.values()) & set(nested.sizes):
                self.narrow(name, node, sizes, supplied, nested)

    def narrow(
        self, name: str, node: Mapping[str, Any], sizes: Mapping[str, int], supplied: Mapping[str, Any], nested: Nested
    ) -> None:
        """Builds a term once more for each width.

        Raises:
            ValueError: it needs the whole embedding.
        """
        where, found = f"loss.{name}", nn.ModuleDict()
        for width in nested.widths:
            try:
                found[str(width)] = built(node, {**sizes, **nested.sizes_at(width)}, supplied, where)
            except ValueError as error:
                raise ValueError(
                    f"loss.nested: {where} cannot be taken of {width} numbers alone; loss=linear_head has a head of "
                    f"its own for each width ({error})"
                ) from error
        self.narrower[name] = found
        self.narrow_wires[name] = {int(width): Wire(part, node.get("of"), where) for width, part in found.items()}

    def missing(self, available: Iterable[str]) -> list[str]:
        """One message for each tensor that a term needs and nobody provides."""
        available = list(available)
        return [message for wire in self.wires.values() for message in wire.missing(available)]

    def forward(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Named tensors -> (weighted sum, unweighted terms), all scalars. A term of weight 0 is only watched."""
        terms: dict[str, Tensor] = {}
        total: Tensor | None = None
        cuts = self.cuts(tensors)
        for name in self.terms:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.weights.get(name) != 0):
                terms[name] = scalar(self.wires[name](tensors), name)
                for width, wire in self.narrow_wires.get(name, {}).items():
                    terms[name] = terms[name] + scalar(wire(cuts[width]), name)
            part = self.weighted(name, terms[name])
            total = part if total is None else total + part
        assert total is not None
        return total, terms

    def cuts(self, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
        """The named tensors at each of the nested widths."""
        nested = self.nested
        return {width: {**tensors, **nested.cut(tensors, width)} for width in nested.widths} if nested else {}

    def weighted(self, name: str, term: Tensor) -> Tensor:
        """What a term adds to the sum."""
        if name in self.log_variances:
            log_variance = self.log_variances[name]
            return (-log_variance).exp() * term + log_variance / 2
        weight = self.weights[name]
        return term if weight == 1 else weight * term

    def factors(self) -> dict[str, float | Tensor]:
        """Term -> what it is multiplied with at present."""
        learned = {name: (-s.detach()).exp() for name, s in self.log_variances.items()}
        return {**self.weights, **learned}

    def label(self, name: str) -> str:
        """The tensor that a classifying term has as its target."""
        return self.wires[name].source["target"]

    def by_label(self) -> dict[str, str]:
        """Classifying term -> the label it names, so that runs with other losses overlay: what the first term of each
        label says is called as the label, what a further one says `<label>_<term>`."""
        found: dict[str, str] = {}
        for name in self.scorers:
            label = self.label(name)
            found[name] = f"{label}_{name}" if label in found.values() else label
        return found

    def scored(self, tensors: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """Term -> scores (B, classes) and true classes (B,), of the terms that classify."""
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for name, scores in self.scorers.items():
            target = tensors[self.label(name)]
            if target.ndim == 1 and not target.is_floating_point():
                found[name] = (scores(tensors), target)
        return found


def built(node: Mapping[str, Any], sizes: Mapping[str, int], supplied: Mapping[str, Any], where: str) -> nn.Module:
    """A term's module."""
    offered = {**supplied, "sizes": term_sizes(node, sizes, where)}
    return build(node, nn.Module, where=where, supplied=offered)


def checked_weight(weight: Any, where: str) -> float:
    """A weight as a float.

    Raises:
        ValueError: it is no number, or negative.
    """
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < float("inf"):
        raise ValueError(f"{where}.weight={weight}: it must be a number of at least 0, or {LEARNED}")
    return float(weight)


def term_sizes(node: Mapping[str, Any], sizes: Mapping[str, int], where: str) -> dict[str, int]:
    """The sizes as this loss's `forward` names its tensors."""
    return Wire(locate(node.get("_target_", ""), nn.Module, where), node.get("of"), where).renamed(sizes)


def scorer(module: Classifier, source: Mapping[str, str], where: str) -> Wire:
    """A classifying term's scores, of the same tensors as its `forward`."""
    wire = Wire(module.scores, None, where)
    wire.source = {parameter: source.get(parameter, parameter) for parameter in wire.source}
    return wire


def scalar(value: Any, name: str) -> Tensor:
    """What a loss returned.

    Raises:
        ValueError: it is no tensor of one number.
    """
    if not isinstance(value, Tensor) or value.numel() != 1:
        what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss.{name} returned {what}: a loss is one number, such as the mean over the batch")
    return value.reshape(())
