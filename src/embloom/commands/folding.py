"""Sweeps in the list of runs: one line each, with its progress, the time that is left, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from embloom.files.run_folder import is_locked
from embloom.files.sweep import Sweep, find_sweeps, read_sweep

Found = dict[str, Sweep | str]  # a sweep's folder -> its manifest, or why that cannot be read


def mark_sweeps(root: Path, rows: Sequence[dict[str, Any]]) -> Found:
    """Finds the sweeps under `root`; a run of one gets `sweep`, its folder, `job`, its number, and `varied`."""
    found: Found = {}
    by_folder = {row["folder"]: row for row in rows}
    for folder in find_sweeps(root):
        try:
            sweep = found[str(folder)] = read_sweep(folder)
        except ValueError as error:
            found[str(folder)] = str(error)
            continue
        for number, job in enumerate(sweep.jobs, 1):
            if row := by_folder.get(str(folder / job.folder)):
                row |= {"sweep": str(folder), "job": number, "varied": job.varied}
    return found


def folded(sweeps: Found, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each sweep, and for each run that is part of none."""
    found = [row for row in rows if "sweep" not in row]
    for folder, sweep in sweeps.items():
        if isinstance(sweep, str):
            found.append({"folder": folder, "state": "unreadable", "reason": sweep})
        else:
            found.append(row_of_sweep(Path(folder), sweep, [row for row in rows if row.get("sweep") == folder]))
    return found


def row_of_sweep(folder: Path, sweep: Sweep, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a list says of a sweep, in the keys of its runs' rows, with `progress` and `failures`."""
    states = [row["state"] for row in rows]
    finished, total = states.count("finished"), sweep.total()
    failures = [row for row in rows if row["state"] in ("failed", "unreadable")]
    running = is_locked(folder)
    if running:
        state = "running"
    elif finished == total:
        state = "finished"
    else:
        state = "failed" if finished + len(failures) == total else "stopped"
    progress = f"{finished} of {total}"
    if failures:
        progress += f", {len(failures)} failed"
    if running and (left := seconds_left(rows, total)) is not None:
        progress += f", {duration(left)} left"
    names = {
        key: ",".join(dict.fromkeys(job.names[key] for job in sweep.jobs)) for key in ("dataset", "encoder", "loss")
    }
    best = max((row for row in rows if "best_value" in row), key=lambda row: float(row["best_value"]), default={})
    return {
        "folder": str(folder), "state": state, "progress": progress, "reason": "", **names, "started": sweep.started,
        "failures": failures, "bytes": sum(row.get("bytes", 0) for row in rows),
        **{key: best[key] for key in ("best_probe", "best_value") if key in best},
    }  # fmt: skip


def seconds_left(rows: Sequence[Mapping[str, Any]], total: int) -> float | None:
    """How long the rest takes if each run takes as long as those that have finished; None before one has."""
    taken = [seconds(row) for row in rows if row["state"] == "finished"]
    if not taken:
        return None
    at_once = max(1, sum(row["state"] == "running" for row in rows))
    begun = sum((row["state"] == "running" and seconds(row, datetime.now().astimezone())) or 0.0 for row in rows)
    ended = sum(row["state"] in ("finished", "failed", "unreadable") for row in rows)
    return max(0.0, ((total - ended) * median(taken) - min(begun, at_once * median(taken))) / at_once)


def seconds(row: Mapping[str, Any], now: datetime | None = None) -> float:
    """Between the beginning of a run and its last word, or now."""
    started, updated = (datetime.fromisoformat(row[key]).astimezone() for key in ("started", "updated"))
    return ((now or updated) - started).total_seconds()


def duration(seconds: float) -> str:
    """As people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
