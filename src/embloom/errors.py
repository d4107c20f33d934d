"""Turns what went wrong into one short message that says what to do, where it was the user's to avoid."""

from __future__ import annotations

import difflib
import errno
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from embloom.assembly.groups import GROUPS, options
from embloom.assembly.own import folders_in_use
from embloom.files.run_state import printable

LONGEST, ENDS = 600, 150  # characters of a line, and of its end where it is cut
MOST_LINES = 40


def message_for(error: BaseException) -> str | None:
    """The message, or None where the error is ours: then the traceback is what helps."""
    text = explained(error)
    return None if text is None else brief(text)


def brief(text: str) -> str:
    """Lines that a terminal can show, whatever value from a file or of an override they quote."""
    lines = [printable(line) for line in text.splitlines()]
    lines = [line if len(line) <= LONGEST else f"{line[: LONGEST - ENDS]} ... {line[-ENDS:]}" for line in lines]
    return "\n".join([*lines[:MOST_LINES], *(["..."] if len(lines) > MOST_LINES else [])])


def explained(error: BaseException) -> str | None:
    """The message as it was raised, or None."""
    kind = type(error).__module__.split(".")[0]
    if kind in ("hydra", "omegaconf", "antlr4"):
        return of_config(error)
    if isinstance(error, OSError) and not isinstance(error, ValueError):
        return of_system(error)
    if kind == "yaml":
        return f"a yaml file cannot be read: {' '.join(str(error).split())[:300]}"
    if isinstance(error, RecursionError) and raised_in(error, ("yaml", "omegaconf", "hydra")):
        return "a yaml file is nested far too deeply"
    if isinstance(error, UnicodeDecodeError) and raised_in(error, ("codecs",)):
        return f"a file is no text in UTF-8 ({error.reason}): save it as such, or take it out of --config-dir"
    if type(error).__name__ == "OutOfMemoryError":
        return "out of GPU memory: use a smaller dataset.batch_size or dataset.resident=false"
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    # Hydra wraps what a resolver or a job raised.
    return explained(error.__cause__) if error.__cause__ is not None else None


def raised_in(error: BaseException, packages: tuple[str, ...]) -> bool:
    """Whether it was raised by code of one of the packages."""
    name, trace = "", error.__traceback__
    while trace is not None:
        name, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return name.partition(".")[0] in packages


def of_system(error: OSError) -> str:
    """A system call that failed."""
    name = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"the disk is full{name}: free some space, then continue with embloom resume RUN_FOLDER; "
            "what was saved before is intact"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission{name}: choose another file or folder (of a run: hydra.run.dir=...)"
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return f"there is a file where a folder should be{name}: choose another folder (of a run: hydra.run.dir=...)"
    return f"{error.strerror or error}{name}"


def of_config(error: BaseException) -> str:
    """What Hydra and OmegaConf say, shortened, with the nearest names."""
    text = "\n".join(str(e) for e in chain(error))
    if match := re.search(r"Could not (?:find|load) '([^'/]+)/([^']*)'", text):
        return of_option(match[1], match[2])
    if "Config group override must be a string or a list" in text:
        return of_no_option()
    if match := re.search(r"Could not override '([^']+)'", text):
        return of_key(match[1])
    if match := re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", text):
        return of_key(match[2])
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} must be given: add {match[1]}=..."
    if "has been overridden" in text or "is not a list" in text:
        return str(error).splitlines()[0]
    if override := next(filter(None, (getattr(e, "override", None) for e in chain(error))), None):
        return f"cannot read the override {override}: write key=value, and quote special characters: 'key=\"a,b\"'"
    if match := re.search(r"Error merging override ([^\n]*)", text):
        return f"{match[1]}: the setting is of another kind: see it with embloom train --cfg job"
    return " ".join(str(error).split("\n\n")[0].split())


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def of_option(group: str, option: str) -> str:
    """An option that a group does not have."""
    known = options(group, folders_in_use())
    if not known:
        return f"there is no '{group}/{option}': see embloom --help"
    close = difflib.get_close_matches(option, known, n=1)
    hint = f"did you mean {group}={close[0]}? " if close else ""
    return f"{group}={option}: there is no such {group}; {hint}{available(group)}"


def of_no_option() -> str:
    """Something else than an option's name, for a group."""
    typed = [argument for argument in sys.argv[1:] if argument.partition("=")[0] in GROUPS]
    groups = [argument.partition("=")[0] for argument in typed] or ["dataset"]
    return f"{' '.join(typed) or 'a group'}: it takes the name of an option; {available(groups[-1])}"


def available(group: str) -> str:
    """What can be selected in a group."""
    return f"Available: {', '.join(options(group, folders_in_use()))}"


def of_key(key: str) -> str:
    """A key that the configuration does not have."""
    if key in GROUPS:
        return f"{key} takes the name of an option, {key}=NAME; {available(key)}"
    from embloom.assembly.compose import known_config

    known = list(flat_keys(known_config(sys.argv[1:])))
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}? " if close and key not in known else ""
    # Nothing would read it beside the groups.
    more = f", or add a new one with +{key}=..." if "." in key else ""
    return f"{key}: there is no such setting; {hint}See all with embloom train --cfg job{more}"


def flat_keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Every key of nested mappings, dotted; groups too."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from flat_keys(value, f"{prefix}{key}.")
