"""Whether the values of a config node are of the kinds that a constructor's annotations name.

Annotations are read as text: evaluating them would compile and execute, which loading an artifact never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "a text", "None": "null"}
LISTS = ("Sequence", "Iterable", "Collection", "list", "tuple")
MAPPINGS = ("Mapping", "dict")


def wrong_kinds(cls: type, node: Mapping[str, Any], where: str) -> list[str]:
    """A message for each value of a node that is of another kind than its parameter."""
    kinds = annotated(cls)
    return [
        f"{where}.{key}={value}: it must be {' or '.join(map(called, kinds[key]))}"
        for key, value in node.items()
        if key in kinds and not any(fits(value, kind) for kind in kinds[key])
    ]


def annotated(cls: type) -> dict[str, list[str]]:
    """The kinds of each parameter of a constructor and of those that it passes others on to."""
    found: dict[str, list[str]] = {}
    for base in reversed(cls.__mro__):
        if "__init__" in vars(base):
            hints = getattr(base.__init__, "__annotations__", {})  # type: ignore[misc]
            found |= {name: alternatives(hint) for name, hint in hints.items()}
    return found


def alternatives(hint: Any) -> list[str]:
    """`str | Sequence[int | str] | None` -> str, Sequence, None."""
    text = hint if isinstance(hint, str) else hint.__name__ if type(hint) is type else str(hint)
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    names = [part.strip().partition("[")[0].rpartition(".")[2] for part in parts]
    # No configuration holds a tensor, which torch's optimizers take for a number.
    return [name for name in names if name != "Tensor"] or names


def fits(value: Any, kind: str) -> bool:
    """Whether a value of YAML can be meant by a kind; what is not known fits."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind in ("int", "float"):
        return number and (kind == "float" or isinstance(value, int))
    if kind == "str":
        return number or isinstance(value, str)  # a path may be a number
    if kind in MAPPINGS:
        return isinstance(value, Mapping)
    if kind in LISTS:
        return isinstance(value, (list, tuple))
    return {"bool": isinstance(value, bool), "None": value is None}.get(kind, True)


def called(kind: str) -> str:
    """A kind, as people call it."""
    return NAMES.get(kind) or ("a mapping" if kind in MAPPINGS else "a list" if kind in LISTS else kind)
