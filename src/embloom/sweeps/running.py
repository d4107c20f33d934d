"""One job of a sweep in this process: begun, continued, and if it fails, recorded as failed."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from embloom.assembly import own
from embloom.assembly.compose import Composed
from embloom.errors import message_for
from embloom.files.run_config import write_config
from embloom.files.run_folder import is_locked
from embloom.files.run_state import RunState
from embloom.files.sweep import Job, Sweep, resume_sweep_command, state_of
from embloom.files.tensors import first_line
from embloom.startup import quick_imports

PATIENCE = 5.0  # seconds


@dataclass
class Place:
    """A sweep that is being run.

    Attributes:
        folder: of the sweep.
        sweep: its manifest.
        said: lines of headers and warnings that its runs have said in this process.
    """

    folder: Path
    sweep: Sweep
    said: set[str] = field(default_factory=set)

    def command(self, *more: str) -> str:
        """What to type to go on; in Python where classes were handed over there."""
        if self.sweep.handed:
            return f"embloom.sweep([...], folder={str(self.folder)!r}, parts=...)"
        return resume_sweep_command(self.folder, self.sweep.config_dirs, *more)


def run_job(place: Place, number: int) -> str:
    """Runs a job, or what is left of it.

    Args:
        place: the sweep.
        number: the job's, counted from 0.

    Returns:
        Why it failed; empty where it did not.

    Raises:
        StoppedError: a signal stopped it; it has been saved.
    """
    with quick_imports():
        from embloom.sweeps.pruning import callback_for
        from embloom.training.in_sweep import InSweep
        from embloom.training.run import resume, start
    if not gc.get_freeze_count():
        gc.freeze()  # the million objects of torch and Lightning are there to stay: no collection looks at them again
    job = place.sweep.jobs[number]
    folder = place.folder / job.folder
    wait_for(folder)
    within = InSweep(place.command(), place.said, callback_for(place.folder, place.sweep, number))
    try:
        with warnings_once(place.said):
            if state_of(folder) is None:
                asked = Composed(job.config, folder, job.names, own.folders_in_use(), place.sweep.handed)
                start(asked, sweep=within)
            else:
                resume(job.config, folder, {}, sweep=within)
    except Exception as error:
        return failed(job, folder, error)
    finally:
        gc.collect()  # what a training leaves are circles, with tensors in them
    return ""


def wait_for(folder: Path) -> None:
    """Lets a process whose sweep was killed notice that it is."""
    end = time.monotonic() + PATIENCE
    while is_locked(folder) and time.monotonic() < end:
        time.sleep(0.05)


def failed(job: Job, folder: Path, error: Exception) -> str:
    """Says why a job failed and sees to it that its folder says so too, also where it failed before it was a run."""
    message = message_for(error)
    if message is None:
        traceback.print_exception(error)
    for line in (message or first_line(error)).splitlines():
        print(f"error: {line}", file=sys.stderr)
    why = message or f"{type(error).__name__}: {first_line(error)}"
    if state_of(folder) is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = job.names
            RunState(names["dataset"], names["encoder"], names["loss"], state="failed", reason=why).write(folder)
            write_config(folder, job.config)
        except OSError as full:
            print(f"warning: could not record that the run failed: {full}", file=sys.stderr)
    return why


class Once:
    """A stream that leaves out warnings that it has written before."""

    def __init__(self, stream: IO[str], said: set[str]) -> None:
        self.stream, self.said, self.begun = stream, said, ""

    def write(self, text: str) -> int:
        """Writes all lines that are whole."""
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            if line.startswith("warning:"):
                if line in self.said:
                    continue
                self.said.add(line)
            self.stream.write(line + "\n")
        if self.begun and not "warning:".startswith(self.begun[:8]):
            self.stream.write(self.begun)
            self.begun = ""
        return len(text)

    def flush(self) -> None:
        """Passes it on."""
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def warnings_once(said: set[str]) -> Iterator[None]:
    """Has `sys.stderr` leave out warnings that were said before."""
    before, sys.stderr = sys.stderr, Once(sys.stderr, said)
    try:
        yield
    finally:
        sys.stderr = before
