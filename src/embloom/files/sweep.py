"""The manifest of a sweep: what jobs there are, with their configurations and folders, written before the first begins.

Whether a job has run is said by its own run folder, so nothing here is rewritten while jobs run; only a search adds
jobs, one by one. Imports nothing heavy: lists of sweeps answer at once.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from embloom.files.atomic import write_whole
from embloom.files.run_config import checked_config
from embloom.files.run_folder import LOCK, find_runs, is_locked, locked, tidy
from embloom.files.run_state import (
    CONFIG,
    STATE,
    RunState,
    is_count,
    is_list,
    is_mapping,
    is_text,
    is_time,
    now,
    printable,
    read_state,
    shown,
    with_config_dirs,
)
from embloom.files.seal import SEAL, check_seal, sealed

MANIFEST = "sweep.json"
LOGS = "logs"
MOST_BYTES = 1 << 28
BESIDE = ("summary.csv", "study.journal", "submitit/*")


@dataclass
class Job:
    """One run of a sweep.

    Attributes:
        folder: of the run, inside the sweep's.
        varied: what the sweep varies -> its value here, as typed.
        names: `dataset`, `encoder` and `loss`, as they are called in lists.
        config: the whole configuration.
    """

    folder: str
    varied: dict[str, str]
    names: dict[str, str]
    config: dict[str, Any]

    def label(self) -> str:
        """What tells it from the others: `loss=mse seed=1`."""
        return " ".join(f"{key}={value}" for key, value in self.varied.items())

    def value(self, key: str) -> str:
        """Its value of what another job varies."""
        if key in self.varied or key in self.names:
            return self.varied.get(key, self.names.get(key, ""))
        node: Any = self.config
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return "" if node is None or isinstance(node, dict) else printable(str(node))


@dataclass
class Sweep:
    """A sweep, as its manifest says.

    Attributes:
        overrides: as they were typed, without those of Hydra's own.
        jobs: in the order in which they begin.
        launcher: how they are run: `name`, and its settings.
        search: of a search, how it draws jobs: its settings; else nothing.
        config_dirs: folders of the user's own configs, to be named again by whoever resumes.
        handed: groups whose classes were handed over in Python, and must be again.
    """

    overrides: list[str]
    jobs: list[Job]
    launcher: dict[str, Any]
    search: dict[str, Any] = field(default_factory=dict)
    config_dirs: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)
    started: str = field(default_factory=now)

    def write(self, folder: Path) -> None:
        """Writes the manifest."""
        text = json.dumps(sealed(asdict(self)), ensure_ascii=False).encode()
        write_whole(folder / MANIFEST, lambda file: file.write(text))

    def total(self) -> int:
        """How many jobs there are, or will be."""
        return max(len(self.jobs), int(self.search.get("n_trials", 0)))


FITS = {
    "overrides": is_list,
    "jobs": lambda value: isinstance(value, list) and all(map(is_job, value)),
    "launcher": lambda value: isinstance(value, dict) and is_text(value.get("name")),
    "search": lambda value: value == {} or is_search(value),
    "config_dirs": is_list,
    "handed": is_list,
    "started": is_time,
}


def is_job(value: Any) -> bool:
    """Whether it is a job as a manifest has it; its folder stays inside the sweep's."""
    if not isinstance(value, dict) or set(value) != {entry.name for entry in fields(Job)}:
        return False
    texts = is_mapping(value["varied"], is_text) and is_mapping(value["names"], is_text)
    if not texts or set(value["names"]) != {"dataset", "encoder", "loss"} or not is_text(value["folder"]):
        return False
    return is_inside(value["folder"]) and isinstance(value["config"], dict)


def is_search(value: Any) -> bool:
    """Whether it says how a search draws its jobs."""
    if not isinstance(value, dict) or not is_list(value.get("objectives")) or not value["objectives"]:
        return False
    counts = all(is_count(value.get(key)) for key in ("n_trials", "seed", "n_startup_trials"))
    return counts and all(value.get(key) is None or is_text(value[key]) for key in ("pruner", "prune_by", "sampler"))


def is_inside(folder: str) -> bool:
    """Whether a path names a folder below the one that it is joined to."""
    place = PurePosixPath(folder)
    return bool(place.parts) and not place.is_absolute() and ".." not in place.parts


def read_sweep(folder: Path) -> Sweep:
    """Reads the manifest of a sweep.

    Raises:
        ValueError: there is none, or it is damaged or was changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} is no sweep (no {MANIFEST}): see what there is with embloom runs")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is far too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or SEAL not in content:
            raise ValueError("it is no manifest, or was changed by hand")
        check_seal(content)
        if wrong := [name for name, fits in FITS.items() if not fits(content.get(name))]:
            raise ValueError(f"{', '.join(wrong)} is of another kind than embloom writes")
        jobs = [Job(**job) for job in content.pop("jobs")]
        for job in jobs:
            checked_config(job.config, Path(job.folder))
        return Sweep(jobs=jobs, **{name: content[name] for name in FITS if name != "jobs"})
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {str(error)[:300]}") from error


def is_sweep(folder: Path) -> bool:
    """Whether a folder has a manifest."""
    return (folder / MANIFEST).is_file()


def find_sweeps(root: Path) -> Iterator[Path]:
    """Every sweep's folder under `root`."""
    for folder, _, files in os.walk(root):
        if MANIFEST in files:
            yield Path(folder)


def state_of(folder: Path) -> RunState | None:
    """The state of a job's run, `killed` where nobody goes on with it; None where it has not begun.

    A `run.json` that cannot be read is a failure like another.
    """
    if not (folder / STATE).is_file() or not (folder / CONFIG).is_file():
        return None
    try:
        state = read_state(folder)
    except ValueError as error:
        return RunState("", "", "", state="failed", reason=printable(str(error)))
    if state.state == "running" and not is_locked(folder):
        state.state = "killed"
    return state


def states(folder: Path, sweep: Sweep) -> list[RunState | None]:
    """Of every job; see `state_of`."""
    return [state_of(folder / job.folder) for job in sweep.jobs]


def to_do(folder: Path, sweep: Sweep, failed: bool = False) -> list[int]:
    """The jobs, counted from 0, that have not ended; with those that failed where `failed`."""
    ended = ("finished",) if failed else ("finished", "failed")
    found = states(folder, sweep)
    return [number for number, state in enumerate(found) if state is None or state.state not in ended]


def resume_sweep_command(folder: Path, config_dirs: Sequence[str], *more: str) -> str:
    """What to type to go on with a sweep."""
    return " ".join(["embloom resume", shlex.quote(str(shown(folder))), *more, *with_config_dirs(config_dirs)])


def remove_sweep(folder: Path) -> None:
    """Deletes what a sweep without runs has left, and its folder once that is empty.

    Raises:
        ValueError: a process is running it.
    """
    if folder.is_symlink() or find_runs(folder):
        return
    with locked(folder):
        for pattern in (MANIFEST, f".{MANIFEST}.*", f"{LOGS}/*.log", *BESIDE, LOCK):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
    for place in (folder / LOGS, folder / "submitit", folder):
        tidy(place, parents=0)
