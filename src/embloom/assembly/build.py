"""Builds an object from a config node: `_target_` names its class, the other keys are its arguments.

Hydra's own `instantiate` calls whatever a file names. Configs are also read back from run folders, so here
a target must be a class of the kind that is wanted there: naming `os.system` is an error, not a command.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from embloom.assembly.kinds import wrong_kinds
from embloom.assembly.own import HANDED, TRUST
from embloom.assembly.wiring import rename

T = TypeVar("T")

# Keys of a node that belong to its surroundings (the weighted sum, the wiring), not to the constructor.
OUTER_KEYS = frozenset({"_target_", "of", "weight"})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Ends an error message: the closest known names, else all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"available: {', '.join(known)}" if known else "there is none"


def locate(target: str, base: type[T] | tuple[type[T], ...], where: str) -> type[T]:
    """The class that a dotted `target` names, or one that was handed over.

    Raises:
        ValueError: it may not be imported (see `own`), cannot be, or is no subclass of `base`; the message begins with
            `where`.
    """
    found: Any = TRUST.classes.get(str(target)) or imported(str(target), where)
    if not (isinstance(found, type) and issubclass(found, base)):
        bases = base if isinstance(base, tuple) else (base,)
        ours = [f"{b.__module__}.{b.__name__}" for b in bases if b.__module__.startswith("embloom.")]
        advice = f": derive it from {' or '.join(ours)}" if ours else ""
        raise ValueError(f"{where}._target_={target} is not a {' or '.join(b.__name__ for b in bases)} class{advice}")
    return found


def imported(target: str, where: str) -> Any:
    """What a dotted target names.

    Raises:
        ValueError: it is not there, or may not be imported.
    """
    if target.startswith(HANDED):
        raise ValueError(
            f"{where}: its class was handed over in Python, and no file holds it: hand it over again, "
            f"parts={{{where.split('.')[0]!r}: ...}}"
        )
    module_name, _, name = target.rpartition(".")
    try:
        module = TRUST.module(module_name)
    except ValueError as error:
        raise ValueError(f"{where}._target_={target} cannot be imported: {error}") from error
    except (ImportError, TypeError) as error:
        raise ValueError(
            f"{where}._target_={target} cannot be imported: {error}. A Python file of your own is found "
            "in the folder that --config-dir names, and on PYTHONPATH"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        place = getattr(module, "__file__", None) or "built into Python"
        raise ValueError(
            f"{where}._target_={target} cannot be imported: {module_name} ({place}) has no {name}"
        ) from error


def arguments(cls: type, *, supplied: Mapping[str, Any], node: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keyword arguments for `cls`: the node's keys, and those of `supplied` that it has parameters for.

    Raises:
        ValueError: a key of the node is no parameter of the class, or a parameter without a default is missing.
    """
    parameters = inspect.signature(cls).parameters
    passed_on, takes_any = inherited(cls)
    known_keys = {**passed_on, **parameters}
    chosen = {key: value for key, value in node.items() if key not in OUTER_KEYS}
    for key in chosen:
        if key not in known_keys and not takes_any:
            known = [name for name in known_keys if name not in supplied]
            raise ValueError(f"{where}.{key}: {cls.__name__} has no such parameter; {did_you_mean(key, known)}")
    # A null in the configuration is nothing given.
    chosen |= {key: value for key, value in supplied.items() if key in known_keys and chosen.get(key) is None}
    for key, parameter in parameters.items():
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        if required and key not in chosen:
            if "Tensor" in str(parameter.annotation):  # what nobody can type
                raise ValueError(f"{where}: {cls.__name__} takes '{key}' from the dataset, and this one has none")
            raise ValueError(f"{where}.{key} is missing: {cls.__name__} needs it")
    return chosen


def taken(cls: type, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values offered that a class has a parameter for."""
    known = {**inherited(cls)[0], **inspect.signature(cls).parameters}
    return {name: value for name, value in offered.items() if name in known}


def inherited(cls: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """The keyword parameters that `cls` passes on to its bases by `**options`, and whether the last takes any too."""
    found: dict[str, inspect.Parameter] = {}
    takes_any = False
    for base in (c for c in cls.__mro__ if "__init__" in vars(c) and c is not object):
        own = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        found = {p.name: p for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} | found
        if not any(p.kind is p.VAR_KEYWORD for p in own):
            return found, False
        takes_any = True
    return found, takes_any


def build(
    node: Mapping[str, Any],
    base: type[T] | tuple[type[T], ...],
    *,
    where: str,
    supplied: Mapping[str, Any] | None = None,
    cls: type[T] | None = None,
) -> T:
    """Builds the object that `node` describes.

    Args:
        node: `_target_` and the constructor's arguments, plain containers.
        base: what the target must be a subclass of.
        where: the override that reaches this node (`encoder`, `loss.color`), for messages.
        supplied: values offered to the constructor by parameter name (`sizes`); not passed if it has no such
            parameter.
        cls: build this class, whatever the node names.

    Raises:
        ValueError: for every mistake in the node, with the override to type instead.
    """
    if cls is None:
        if "_target_" not in node:
            raise ValueError(f"{where} has no _target_: name its class, e.g. {where}._target_=package.module.Class")
        cls = locate(node["_target_"], base, where)
    kwargs = arguments(cls, supplied=supplied or {}, node=node, where=where)
    if wrong := wrong_kinds(cls, {key: value for key, value in node.items() if key in kwargs}, where):
        raise ValueError("\n".join(wrong))
    try:
        return cls(**kwargs)
    except ValueError as error:
        raise ValueError(placed(str(error), where)) from error
    except KeyError as error:
        sizes = (supplied or {}).get("sizes")
        if not isinstance(sizes, Mapping) or error.args[0] in sizes:
            raise
        there = ", ".join(sorted(map(str, sizes))) or "nothing"
        raise ValueError(
            f"{where}: {cls.__name__} needs the tensor {error}; available: {there}. "
            f"Rename with {rename(where, error.args[0], node.get('of'))}"
        ) from error
    except TypeError as error:
        raise ValueError(f"{where}: {cls.__name__} does not take these arguments: {error}") from error


def placed(message: str, where: str) -> str:
    """A constructor knows its parameter, not where it stands: `margin=-1: ...` -> `loss.triplet.margin=-1: ...`."""
    group = where.partition(".")[0]

    def line(text: str) -> str:
        named = re.match(r"[a-z]\w*(\.\w+)*=", text)
        return f"{where}.{text}" if named and not text.startswith((f"{group}.", f"{group}=")) else text

    return "\n".join(line(text) for text in message.splitlines())
