"""What runs are called: short, what varies first, and safe in a shell, in a path and in an override.

Imports nothing heavy: lists of runs answer at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

LONGEST_VALUE, LONGEST = 24, 72  # bytes
# Groups in the order in which people vary them; what is in none of them comes after the loss.
ORDER = ("loss", "experiment", "optimizer", "encoder", "scheduler", "init_from", "seed", "dataset", "trainer")
OPTIONS = ("optimizer", "scheduler", "experiment", "dataset", "encoder", "loss")  # whose value says it alone
# What changes no result, or has its own place in the name of a run folder. A sweep's name has them where they vary.
LEFT_OUT = re.compile(
    r"(dataset|encoder|loss|callbacks|probe|logger|trainer|optimize)$|(callbacks|probe|logger|hydra)[./]"
    r"|trainer\.(accelerator|devices|num_nodes|strategy|profiler|log_every_n_steps|threads|enable_\w+)$"
    r"|dataset\.(root|cache|resident)$"
)
STAMP = re.compile(r"-?\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d.*|\.\w{1,12}$")  # the end of a run's folder, or of a file


def short(key: str, keys: Sequence[str]) -> str:
    """The shortest end of a dotted key that no other has."""
    parts = key.removesuffix("._target_").split(".")
    # A weight alone does not say of what.
    for length in range(2 if parts[0] == "loss" else 1, len(parts)):
        end = ".".join(parts[-length:])
        if sum(other == end or other.endswith("." + end) for other in keys) == 1:
            return end
    return ".".join(parts)


def typed(overrides: Sequence[str]) -> dict[str, str]:
    """Overrides -> key -> value, as they were typed; what is deleted (`~key`) has none."""
    pairs = (override.lstrip("+~").partition("=") for override in overrides)
    return {key: value for key, _, value in pairs}


def label(settings: Mapping[str, str]) -> str:
    """`cross_entropy_lr=0.003`: settings as the name of a folder.

    Args:
        settings: key -> value, as typed.

    Example:
        >>> label({"loss": "[color,shape]", "optimizer.lr": "0.003", "encoder.layers": "1024-512-10"})
        'color+shape_lr=0.003_layers=1024-512-10'
    """
    keys = list(settings)
    found = ""
    for key in sorted(keys, key=lambda key: ORDER.index(group) if (group := key.partition(".")[0]) in ORDER else 0.5):
        value, name = plain(settings[key]), "init_from" if key == "init_from.path" else plain(short(key, keys))
        piece = value if key in OPTIONS else f"{name}={value}"
        if not found:
            found = cut(piece.lstrip("-.="), LONGEST)
        elif len(f"{found}_{piece}".encode()) <= LONGEST:
            found += f"_{piece}" if piece else ""
    return found


def plain(value: str) -> str:
    """A value as a part of a folder's name: of a path the last part, of a list its entries with + between them; other
    letters than those of words and numbers become hyphens."""
    text = value.strip("'\"[](){} ")
    if "/" in text and "," not in text:
        text = STAMP.sub("", PurePosixPath(text).name)
    text = re.sub(r"\s*,\s*", "+", text)
    return cut(re.sub(r"[^\w.+-]+", "-", text).rstrip("-."), LONGEST_VALUE)


def cut(text: str, most: int) -> str:
    """The beginning of a text, of so many bytes at most."""
    return text.encode()[:most].decode(errors="ignore").rstrip("-._+=")


def run_folder(names: Mapping[str, str], overrides: Sequence[str], stamp: str) -> str:
    """`<loss and what was set>/<encoder>-<dataset>-<date_time>`: what tells runs apart comes first, the time last.

    Args:
        names: `dataset`, `encoder` and `loss`, as they are called in lists; what is computed has no loss.
        overrides: as typed.
        stamp: date and time.
    """
    chosen = {key: value for key, value in typed(overrides).items() if not LEFT_OUT.match(key)}
    if chosen.get("experiment") in (*names.values(), "null"):
        del chosen["experiment"]
    first = label({"loss": names["loss"] or names["encoder"], **chosen}) or "run"
    return f"{first}/{'-'.join(map(plain, (names['encoder'], names['dataset'])))}-{stamp}"


def job_folder(overrides: Sequence[str], fixed: Sequence[str], number: int) -> str:
    """The folder of a sweep's job: what varies, and its number.

    Args:
        overrides: as typed.
        fixed: the keys that do not vary.
        number: of the job, from 1.
    """
    varied = {key: value for key, value in typed(overrides).items() if key not in fixed}
    return f"{label(varied) or 'run'}_{number}"
