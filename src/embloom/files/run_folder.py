"""Run folders: their state on disk, the lock of the process that writes them, and the list of them.

Imports nothing heavy: `embloom runs` answers at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from embloom.files.atomic import write_whole

# Probes that describe an embedding without saying that more is better.
NO_SCORES = ("chance_", "effective_rank", "alignment", "uniformity")
STATE, CONFIG, LOCK = "run.json", "config.yaml", ".lock"


@dataclass
class RunState:
    """What `run.json` says.

    Attributes:
        state: `running`, `finished`, `stopped` (by a signal) or `failed`; a run that was killed still says
            `running`, but nobody holds its lock.
        reason: why it stopped or failed.
        metrics: the last of each tag (`test/...`, `probe/...`, `val/...`).
        config_dirs: folders of the user's own configs, for a resume.
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

    def write(self, folder: Path) -> None:
        """Writes it to a run folder."""
        self.updated = now()
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False).encode()
        write_whole(folder / STATE, lambda file: file.write(text))


def read_state(folder: Path) -> RunState:
    """Reads it from a run folder.

    Raises:
        ValueError: it is no run folder.
    """
    path = folder / STATE
    if not path.is_file() or not (folder / CONFIG).is_file():
        raise ValueError(f"{folder} is no run folder (no {STATE} or no {CONFIG}): see them with embloom runs")
    try:
        known = RunState.__dataclass_fields__
        return RunState(**{k: v for k, v in json.loads(path.read_text(encoding="utf-8")).items() if k in known})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def now() -> str:
    """The local time, to the second, as ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a run folder; the system lets go of it when the process ends, however it ends.

    Raises:
        ValueError: another process holds it.
    """
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{folder} is in use by another embloom process: wait for it, or stop it") from error
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process is writing the run."""
    try:
        with (folder / LOCK).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def find_runs(root: Path) -> list[Path]:
    """Every run folder under `root`, oldest first."""
    found = []
    for folder, subfolders, files in os.walk(root):
        if STATE in files and CONFIG in files:
            found.append(Path(folder))
            subfolders.clear()
    return sorted(found, key=lambda folder: (folder / CONFIG).stat().st_mtime)


def size_of(folder: Path) -> int:
    """Bytes in a folder; a file with two names in it counts once."""
    sizes = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.is_file():
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def table(root: Path) -> list[dict[str, Any]]:
    """A row for each run under `root`, oldest first; see `row_of`."""
    return [row_of(folder) for folder in find_runs(root)]


def row_of(folder: Path) -> dict[str, Any]:
    """What a list says of a run: folder, state and reason, dataset, encoder, loss, epoch, step, started, bytes, and
    its best probe as text and number."""
    size = size_of(folder)
    try:
        run = read_state(folder)
    except ValueError as error:
        return {"folder": str(folder), "state": "unreadable", "reason": str(error), "bytes": size}
    state = "killed" if run.state == "running" and not is_locked(folder) else run.state
    named = {key: getattr(run, key) for key in ("reason", "dataset", "encoder", "loss", "epoch", "step", "started")}
    row = {"folder": str(folder), "state": state, **named, "best_probe": "", "bytes": size}
    if best := best_probe(run.metrics):
        row |= {"best_probe": f"{best[0]} {best[1]:.4f}", "best_value": best[1]}
    return row


def best_probe(metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """The probe that is the farthest above chance, where that is known; those that are no scores do not count."""
    probes = {k.removeprefix("probe/"): v for k, v in metrics.items() if k.startswith("probe/")}
    scores = {k: v for k, v in probes.items() if not k.startswith(NO_SCORES) and "_coverage" not in k}

    def gain(item: tuple[str, float]) -> float:
        chance = probes.get(f"chance_{item[0].partition('_')[2]}", 0.0)
        return (item[1] - chance) / (1 - chance) if chance < 1 else 0.0

    return max(scores.items(), key=gain, default=None)
