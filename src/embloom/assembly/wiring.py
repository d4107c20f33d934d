"""Calls a module with the tensors that its parameters name; `of` renames, and that is all it does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from torch import nn

V = TypeVar("V")


class Wire:
    """A callable that takes its arguments from named tensors.

    Args:
        function: a module, which is then called, hooks and all, or its class, to ask what it takes; the parameter
            names of `forward` are the contract. Or any other callable.
        of: parameter name -> tensor name, for those that differ.
        where: the override that reaches it (`loss.color`), for messages.

    Raises:
        ValueError: `of` names a parameter that it does not have.
    """

    def __init__(self, function: Callable[..., Any], of: Mapping[str, str] | None, where: str) -> None:
        self.function = function
        self.where = where
        parameters = dict(inspect.signature(described(function)).parameters)
        if isinstance(function, type):
            del parameters[next(iter(parameters))]  # self
        named = {n: p for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        for name in of or {}:
            if name not in named:
                raise ValueError(f"{where}.of.{name}: it takes no such tensor; it takes: {', '.join(named)}")
        self.of = dict(of or {})
        self.source = {name: str(self.of.get(name, name)) for name in named}
        self.required = [name for name, p in named.items() if p.default is p.empty]

    def missing(self, available: Iterable[str], hints: Mapping[str, str] | None = None) -> list[str]:
        """One message for each required tensor that nobody provides, with the override that would, if `hints` has it:
        tensor -> override."""
        there = set(available)
        return [
            f"{self.where} needs the tensor '{self.source[name]}' and nobody provides it; "
            + (
                f"set {hints[self.source[name]]}"
                if hints and self.source[name] in hints
                else f"available: {', '.join(sorted(there))}. Rename with {rename(self.where, name, self.of)}"
            )
            for name in self.required
            if self.source[name] not in there
        ]

    def renamed(self, values: Mapping[str, V]) -> dict[str, V]:
        """`values` as the function's parameters name them, beside the names they had."""
        return {
            **values,
            **{name: values[source] for name, source in self.source.items() if source in values},
        }

    def __call__(self, tensors: Mapping[str, Any]) -> Any:
        """Calls the function. Optional parameters that no tensor matches keep their defaults."""
        return self.function(**{n: tensors[s] for n, s in self.source.items() if s in tensors})


def rename(where: str, name: str, of: Mapping[str, Any] | None) -> str:
    """The override that renames a tensor; Hydra adds what is not there yet with a plus only."""
    return f"{'' if name in (of or {}) else '+'}{where}.of.{name}=..."


def described(function: Callable[..., Any]) -> Callable[..., Any]:
    """What has the signature: of a module its `forward`."""
    if isinstance(function, nn.Module) or (isinstance(function, type) and issubclass(function, nn.Module)):
        return function.forward
    return function
