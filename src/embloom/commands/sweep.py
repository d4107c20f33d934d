"""`embloom train -m` and `embloom resume SWEEP`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embloom.assembly import own
from embloom.assembly.compose import options_first
from embloom.commands.opening import check_parts_named
from embloom.files.sweep import Job, Sweep, is_sweep, read_sweep
from embloom.sweeps import cluster
from embloom.sweeps.driver import held, refuse_sweep, run_all
from embloom.sweeps.jobs import all_jobs, composer, extended, in_single_quotes, settings
from embloom.sweeps.running import Place
from embloom.training.stop_signals import stoppable

MULTIRUN = ("-m", "--multirun")
SHOWING = ("--cfg", "-c", "--info", "-i", "--help", "-h", "--hydra-help", "--version", "--shell-completion", "-sc")


def is_sweeping(arguments: Sequence[str]) -> bool:
    """Whether a command line runs a sweep, and does not only show something."""
    names = {argument.partition("=")[0] for argument in arguments}
    return bool(names & set(MULTIRUN)) and not names & set(SHOWING)


def start(typed: list[str]) -> None:
    """`embloom train -m`: writes the manifest and runs every job.

    Raises:
        ValueError: something is wrong with any of the jobs; nothing was begun.
    """
    parser = argparse.ArgumentParser("embloom train", allow_abbrev=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("overrides", nargs="*")
    chosen, strange = parser.parse_known_args(options_first(typed))
    if strange and strange[0].startswith("-"):
        raise ValueError(f"{strange[0]} does not go with -m: it takes overrides and --config-dir")
    overrides = [*chosen.overrides, *strange]
    folders = [chosen.config_dir] if chosen.config_dir else []
    begun: list[Place] = []

    def told() -> str:
        if begun:
            return f"continue with:\n{begun[0].command()}"
        return f"nothing was trained yet; start again with:\n{shlex.join(['embloom', 'train', *typed])}"

    with own.parts(folders, anything=True):
        stoppable(lambda: exited(begin(overrides, [], begun)), told)


def exited(status: int) -> None:
    """Ends the command with the status that says that runs failed."""
    if status:
        sys.exit(status)


def begin(overrides: Sequence[str], handed: Sequence[str], begun: list[Place]) -> int:
    """Composes the jobs, writes the manifest, and runs them.

    Args:
        overrides: as typed.
        handed: groups whose classes were handed over in Python.
        begun: gets the sweep once its manifest is written.

    Returns:
        The exit status.

    Raises:
        ValueError: something is wrong with any of the jobs; nothing was begun.
    """
    dirs = own.folders_in_use()
    launcher, sweeper = settings(overrides, dirs)
    overrides = [*(f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()), *overrides]
    if launcher["name"] in cluster.LAUNCHERS:
        cluster.check(launcher["name"])
    search: dict[str, Any] = {}
    jobs: list[Job] = []
    if sweeper["name"] == "optuna":
        if launcher["name"] in cluster.LAUNCHERS:
            raise ValueError(f"hydra/sweeper=optuna with hydra/launcher={launcher['name']}: use joblib or none")
        from embloom.sweeps.search import planned

        search, folder = planned(overrides, dirs, sweeper)
    else:
        jobs, folder = all_jobs(overrides, dirs)
        if any(job.config.get("optimize") for job in jobs):
            from embloom.sweeps.rehearsal import check_asked

            check_asked(jobs)
    refuse_sweep(folder)
    sweep = Sweep(list(overrides), jobs, launcher, search, dirs, list(handed))
    with held(folder):
        sweep.write(folder)
        begun.append(Place(folder, sweep))
        return run_all(begun[0])


def resume(folder: Path, overrides: Sequence[str], config_dirs: Sequence[str | Path], failed: bool) -> None:
    """`embloom resume SWEEP`: runs what is left of a sweep, and what it is extended by.

    Raises:
        ValueError: it cannot be read, its parts were not named, or it cannot be extended so.
    """
    sweep = read_sweep(folder)
    check_parts_named(folder, sweep, config_dirs, {})
    place = Place(folder, sweep)
    with own.parts(config_dirs):
        stoppable(
            lambda: exited(go_on(place, overrides, failed)),
            lambda: f"continue with:\n{place.command()}",
        )


def go_on(place: Place, overrides: Sequence[str], failed: bool) -> int:
    """Extends a sweep and runs what is left of it; the exit status."""
    with held(place.folder):
        launching = [text for text in overrides if text.startswith("hydra")]
        if launching:
            relaunch(place, launching)
        if more := [text for text in overrides if text not in launching]:
            extend(place, more)
        return run_all(place, failed)


def swept(folder: Path | None, overrides: Sequence[str], handed: Sequence[str]) -> Path:
    """The door from Python: begins a sweep, or goes on with the one in `folder`, where more values may be asked for.

    Returns:
        The sweep's folder.

    Raises:
        ValueError: as the command would say it.
    """
    if folder is None or not is_sweep(folder):
        place = [f"hydra.sweep.dir={in_single_quotes(folder)}"] if folder else []
        begun: list[Place] = []
        begin([*overrides, *place], handed, begun)
        return begun[0].folder
    with held(folder):
        there = Place(folder, read_sweep(folder))
        if not there.sweep.search:
            jobs, _ = all_jobs(overrides, own.folders_in_use(), there.sweep.jobs, folder)
            there.sweep.jobs += jobs
            there.sweep.overrides = list(overrides)
            there.sweep.write(folder)
        run_all(there, failed=True)
    return folder


def relaunch(place: Place, overrides: Sequence[str]) -> None:
    """Has the rest of a sweep run another way.

    Raises:
        ValueError: that is not what the overrides say.
    """
    changeable = ("hydra/launcher=", "hydra.launcher.", *(["hydra.sweeper.n_trials="] if place.sweep.search else []))
    if strange := [text for text in overrides if not text.startswith(changeable)]:
        raise ValueError(f"{strange[0]}: of a sweep that has begun only {', '.join(changeable)} can be changed")
    first = {"launcher": place.sweep.launcher, "sweeper": place.sweep.search or {"name": "basic"}}
    chosen = any(text.startswith("hydra/launcher=") for text in overrides)
    names = [f"hydra/{node}={found['name']}" for node, found in first.items() if node == "sweeper" or not chosen]
    launcher, sweeper = settings([*names, *overrides], [])
    place.sweep.launcher = launcher
    if any(text.startswith("hydra.sweeper.n_trials=") for text in overrides):
        place.sweep.search["n_trials"] = sweeper["n_trials"]
    place.sweep.write(place.folder)


def extend(place: Place, overrides: Sequence[str]) -> None:
    """Adds the jobs that more values ask for to the manifest."""
    sweep = place.sweep
    if sweep.search:
        raise ValueError("a search is extended by more runs: hydra.sweeper.n_trials=50")
    with composer(own.folders_in_use()):
        wanted = extended(sweep, overrides)
    jobs, _ = all_jobs(wanted, own.folders_in_use(), sweep.jobs, place.folder)
    sweep.jobs += jobs
    sweep.overrides = wanted
    sweep.write(place.folder)
    print(f"{len(jobs)} runs more")
