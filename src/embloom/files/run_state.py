"""What a run folder says of its run: `run.json`, checked before anybody believes it, and the commands to go on with.

Imports nothing heavy: lists of runs answer at once.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from embloom.files.atomic import write_whole
from embloom.files.seal import check_seal, sealed

STATE, CONFIG = "run.json", "config.yaml"
MOST_BYTES = 1 << 24
# C0 and C1 controls, which begin escape sequences of terminals, and marks that turn the direction of writing.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """A text from a file as it may be shown: control characters become U+FFFD."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


@dataclass
class RunState:
    """What `run.json` says.

    Attributes:
        state: `running`, `finished`, `stopped` (by a signal) or `failed`; a run that was killed still says
            `running`, but nobody holds its lock.
        reason: why it stopped or failed.
        metrics: the last of each tag (`test/...`, `probe/...`, `val/...`).
        config_dirs: folders of the user's own configs, to be named by whoever loads the run; nothing is imported
            from them because this says so.
        handed: groups whose classes were handed over in Python, and must be again.
        data_options: `locations`, `no_effect` and `training_only` of the dataset, see `Dataset`.
        failed_probes: probe -> why it has no figures.
        threads: of the CPU that it was trained with, which decide the last bits of sums; 0 where nobody noted it.
    """

    dataset: str
    encoder: str
    loss: str
    started: str = field(default_factory=lambda: now())
    updated: str = field(default_factory=lambda: now())
    state: str = "running"
    reason: str = ""
    epoch: int = 0
    step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    config_dirs: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)
    data_options: dict[str, list[str]] = field(default_factory=dict)
    failed_probes: dict[str, str] = field(default_factory=dict)
    threads: int = 0

    def write(self, folder: Path) -> None:
        """Writes it to a run folder."""
        self.updated = now()
        text = json.dumps(sealed(asdict(self)), indent=2, ensure_ascii=False).encode()
        write_whole(folder / STATE, lambda file: file.write(text))


def read_state(folder: Path) -> RunState:
    """Reads it from a run folder.

    Raises:
        ValueError: it is no run folder, or its `run.json` is damaged.
    """
    path = folder / STATE
    if path.is_file() and not (folder / CONFIG).exists():
        raise ValueError(
            f"{folder} holds a run that died before it began: start it again, embloom train ... hydra.run.dir={folder}"
        )
    if not path.is_file() or not (folder / CONFIG).is_file():
        raise ValueError(f"{folder} is no run folder (no {STATE} or no {CONFIG}): see them with embloom runs")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is far too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no mapping")
        check_seal(content)
        state = RunState(**{k: v for k, v in content.items() if k in RunState.__dataclass_fields__})
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {str(error)[:200]}") from error
    if wrong := [name for name, fits in FITS.items() if not fits(getattr(state, name))]:
        raise ValueError(f"{path} cannot be read: {', '.join(wrong)} is of another kind than embloom writes")
    state.reason = printable(state.reason)
    state.failed_probes = {name: printable(why) for name, why in state.failed_probes.items()}
    return state


def is_text(value: Any) -> bool:
    """A string without control characters, such as those that change what a terminal shows."""
    return isinstance(value, str) and not CONTROL.search(value)


def is_count(value: Any) -> bool:
    """An integer of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: Any) -> bool:
    """A number; NaN and infinity, which a diverged run may have, too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_time(value: Any) -> bool:
    """ISO 8601."""
    try:
        return bool(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return False


def is_list(value: Any, of: Callable[[Any], bool] = is_text) -> bool:
    """A list of such values."""
    return isinstance(value, list) and all(map(of, value))


def is_mapping(value: Any, of: Callable[[Any], bool]) -> bool:
    """Names and such values."""
    return isinstance(value, dict) and all(is_text(name) and of(inner) for name, inner in value.items())


FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("dataset", "encoder", "loss", "state"), is_text),
    "reason": lambda value: isinstance(value, str),
    **dict.fromkeys(("started", "updated"), is_time),
    **dict.fromkeys(("epoch", "step", "threads"), is_count),
    "metrics": lambda value: is_mapping(value, is_number),
    **dict.fromkeys(("config_dirs", "handed"), is_list),
    "data_options": lambda value: is_mapping(value, is_list),
    "failed_probes": lambda value: is_mapping(value, lambda text: isinstance(text, str)),
}


def resume_command(folder: Path, config_dirs: Sequence[str]) -> str:
    """What to type to continue a run."""
    return " ".join(["embloom resume", shlex.quote(str(shown(folder))), *with_config_dirs(config_dirs)])


def with_config_dirs(config_dirs: Sequence[str]) -> list[str]:
    """The options that name the user's own folders again, as every command that loads such a run needs them."""
    return [f"--config-dir {shlex.quote(str(shown(Path(folder))))}" for folder in config_dirs]


def recorded_config_dirs(run: Path) -> list[str]:
    """The user's own folders that a run folder, or the folder of its artifact, remembers; nothing is done with them."""
    for folder in (run, run.parent):
        try:
            return read_state(folder).config_dirs
        except ValueError:
            continue
    return []


def shown(folder: Path) -> Path:
    """As short as people would type it."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def now() -> str:
    """The local time, to the second, as ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
