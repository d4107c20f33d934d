"""Turns what went wrong into one short message that says what to do, where it was the user's to avoid."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterator, Mapping
from typing import Any

from embloom.assembly.groups import options


def message_for(error: BaseException) -> str | None:
    """The message, or None where the error is ours: then the traceback is what helps."""
    kind = type(error).__module__.split(".")[0]
    if kind in ("hydra", "omegaconf", "antlr4"):
        return of_config(error)
    if isinstance(error, OSError) and not isinstance(error, ValueError):
        return of_system(error)
    if type(error).__name__ == "OutOfMemoryError":
        return "out of GPU memory: use a smaller dataset.batch_size or dataset.resident=false"
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    # Hydra wraps what a resolver or a job raised.
    return message_for(error.__cause__) if error.__cause__ is not None else None


def of_system(error: OSError) -> str:
    """A system call that failed."""
    name = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"the disk is full{name}: free some space, then continue with embloom resume RUN_FOLDER; "
            "what was saved before is intact"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write{name}: choose another folder with hydra.run.dir=..."
    return f"{error.strerror or error}{name}"


def of_config(error: BaseException) -> str:
    """What Hydra and OmegaConf say, shortened, with the nearest names."""
    text = "\n".join(str(e) for e in chain(error))
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        return of_option(match[1], match[2])
    if match := re.search(r"Could not override '([^']+)'", text):
        return of_key(match[1])
    if match := re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", text):
        return of_key(match[2])
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} must be given: add {match[1]}=..."
    if "has been overridden" in text or "is not a list" in text:
        return str(error).splitlines()[0]
    if match := re.search(r"(?:missing|mismatched|extraneous|no viable|token recognition)[^\n]*", text):
        return f"cannot read an override ({match[0].strip()}): write key=value, and quote special characters"
    return " ".join(str(error).split("\n\n")[0].split())


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def of_option(group: str, option: str) -> str:
    """An option that a group does not have."""
    known = options(group)
    if not known:
        return f"there is no '{group}/{option}': see embloom --help"
    close = difflib.get_close_matches(option, known, n=1)
    hint = f"did you mean {group}={close[0]}? " if close else ""
    return f"{group}={option}: there is no such {group}; {hint}There is: {', '.join(known)}"


def of_key(key: str) -> str:
    """A key that the configuration does not have."""
    from embloom.assembly.compose import default_config

    known = list(flat_keys(default_config()))
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return (
        f"{key}: there is no such setting; {hint}See all with embloom train --cfg job, or add a new one with +{key}=..."
    )


def flat_keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Every key of nested mappings, dotted; groups too."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from flat_keys(value, f"{prefix}{key}.")
