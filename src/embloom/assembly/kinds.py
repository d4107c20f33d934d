"""Whether the values of a config node are of the kinds that a constructor's annotations name."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

NAMES: dict[Any, str] = {
    int: "an integer", float: "a number", bool: "true or false", str: "a text", type(None): "null",
}  # fmt: skip


def wrong_kinds(cls: type, node: Mapping[str, Any], where: str) -> list[str]:
    """A message for each value of a node that is of another kind than its parameter."""
    hints = annotated(cls)
    return [
        f"{where}.{key}={value}: it must be {' or '.join(dict.fromkeys(named(hints[key])))}"
        for key, value in node.items()
        if key in hints and not fits(value, hints[key])
    ]


def annotated(cls: type) -> dict[str, Any]:
    """The annotations of the parameters of a constructor and of those that it passes others on to."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if "__init__" not in vars(base):
            continue
        try:
            found |= typing.get_type_hints(base.__init__)  # type: ignore[misc]
        except (NameError, TypeError, AttributeError):
            continue  # names that stand there for type checkers only
    return found


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of YAML can be meant by an annotation; what is not known fits."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    if kind is bool:
        return isinstance(value, bool)
    if kind in (int, float):
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if kind is str:
        return isinstance(value, (str, int, float)) and not isinstance(value, bool)  # a path may be a number
    if kind is type(None):
        return value is None
    if is_mapping(kind):
        return isinstance(value, Mapping)
    return isinstance(value, (list, tuple)) if is_list(kind) else True


def is_mapping(kind: Any) -> bool:
    """Whether an annotation names mappings."""
    return isinstance(kind, type) and kind in (Mapping, dict)


def is_list(kind: Any) -> bool:
    """Whether an annotation names lists."""
    return isinstance(kind, type) and kind in (Sequence, Iterable, Collection, list, tuple)


def named(hint: Any) -> list[str]:
    """The kinds, as people call them."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [name for part in typing.get_args(hint) for name in named(part)]
    kind = typing.get_origin(hint) or hint
    return [NAMES.get(kind) or ("a mapping" if is_mapping(kind) else "a list" if is_list(kind) else str(hint))]
