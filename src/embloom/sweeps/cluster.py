"""The jobs of a sweep as jobs of Slurm, through submitit, which queues a job again that Slurm ended early.

Submitit hands its jobs over as pickles in the sweep's folder, which it reads on the cluster and deletes with nobody
asking; embloom never reads one. What became of a run is said by the run's own folder. Hydra's plugin would put a
closure over all of Hydra's state into them, and read results back as pickles.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embloom.assembly import own
from embloom.files.run_state import shown
from embloom.files.sweep import read_sweep, state_of
from embloom.sweeps.running import Place, run_job
from embloom.sweeps.terminal import header, outcome
from embloom.training.stop_signals import StoppedError, stopping_by

FOLDER = "submitit"
LAUNCHERS = {"submitit_slurm": "slurm", "submitit_local": "local"}
COMMON = ("timeout_min", "gpus_per_node", "cpus_per_task", "mem_gb")  # parameters that submitit names for any cluster
POLL = 2.0  # seconds


def installed() -> Any:
    """Submitit.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise ValueError("hydra/launcher=submitit_slurm needs submitit: pip install 'embloom[submitit]'") from error
    return submitit


def check(launcher: str) -> None:
    """Raises:
    ValueError: submitit is missing, or there is no cluster here.
    """
    submitit = installed()
    if LAUNCHERS[launcher] == "slurm" and submitit.SlurmExecutor.affinity() <= 0:
        raise ValueError(
            f"hydra/launcher={launcher}: there is no srun here: run this where jobs are submitted, or try it out with "
            "hydra/launcher=submitit_local"
        )


class ClusterJob:
    """What submitit runs on the cluster: one job of a sweep, or what is left of it."""

    def __init__(self, folder: Path, number: int, config_dirs: Sequence[str], anything: bool) -> None:
        self.folder, self.number = str(folder), number
        self.config_dirs, self.anything = list(config_dirs), anything

    def __call__(self) -> None:
        """Runs it. The signal that submitit waits for saves first, and then has it queued again."""
        warning = signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
        requeue: Any = signal.getsignal(warning)
        with own.parts(self.config_dirs, anything=self.anything), stopping_by(warning, signal.SIGINT):
            place = Place(Path(self.folder), read_sweep(Path(self.folder)))
            try:
                run_job(place, self.number)
            except StoppedError as error:
                if error.signum == warning:
                    requeue(warning, None)
                sys.exit(128 + error.signum)

    def checkpoint(self) -> Any:
        """What is to be run when it is queued again: the same, which goes on from what was saved."""
        return installed().helpers.DelayedSubmission(self)


def submit(place: Place, numbers: Sequence[int]) -> None:
    """Submits jobs and waits for them.

    Args:
        place: the sweep.
        numbers: of the jobs, counted from 0.

    Raises:
        ValueError: submitit is missing, there is no cluster, or it does not take the settings.
        StoppedError: a signal came; the jobs were canceled.
    """
    executor = executor_for(place)
    folder = place.folder.resolve()
    todo = [ClusterJob(folder, number, own.folders_in_use(), own.TRUST.anything) for number in numbers]
    with executor.batch():
        submitted = [executor.submit(job) for job in todo]
    jobs = dict(zip(numbers, submitted, strict=True))
    print(f"{len(jobs)} jobs; what each says: {shown(place.folder / FOLDER)}", flush=True)
    try:
        wait(place, jobs)
    except StoppedError:
        for job in jobs.values():
            job.cancel()
        raise


def executor_for(place: Place) -> Any:
    """Submitit's executor with the launcher's settings.

    Raises:
        ValueError: see `submit`.
    """
    submitit = installed()
    settings = {key: value for key, value in place.sweep.launcher.items() if value not in (None, {}, [])}
    cluster = LAUNCHERS[settings.pop("name")]
    timeouts = settings.pop("max_num_timeout", 100)
    given = {key if key in COMMON or cluster == "local" else f"slurm_{key}": value for key, value in settings.items()}
    try:
        folder = place.folder.resolve() / FOLDER
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster, **{f"{cluster}_max_num_timeout": timeouts})
        executor.update_parameters(name="embloom", **given)
    except Exception as error:  # submitit raises its own and others
        raise ValueError(f"hydra/launcher={place.sweep.launcher['name']}: {error}") from error
    return executor


def wait(place: Place, jobs: dict[int, Any]) -> None:
    """Until every job has ended; a line for each."""
    left = dict(jobs)
    while left:
        for number in [number for number, job in left.items() if job.done()]:
            job = left.pop(number)
            state = state_of(place.folder / place.sweep.jobs[number].folder)
            print(f"{header(place.sweep, number)}: {outcome(state)}, job {job.job_id}", flush=True)
        if left:
            time.sleep(POLL)
