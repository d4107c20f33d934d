"""A sweep from its manifest to its end: runs what is to be done, goes on after failures, and says what came of it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embloom.comparison.summary import write_summary
from embloom.files.run_folder import locked
from embloom.files.run_state import CONFIG, STATE
from embloom.files.sweep import is_sweep, resume_sweep_command, to_do
from embloom.sweeps import cluster
from embloom.sweeps.processes import run_at_once
from embloom.sweeps.running import PATIENCE, Place, run_job
from embloom.sweeps.terminal import header, objectives_of, print_results, unfinished

if TYPE_CHECKING:
    from embloom.sweeps.search import Search

FAILED = 1  # exit status


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the sweep, which one process runs at a time.

    Raises:
        ValueError: another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + PATIENCE
    while True:
        lock = locked(folder)
        try:
            lock.__enter__()
            break
        except ValueError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def refuse_sweep(folder: Path) -> None:
    """Raises:
    ValueError: there is a sweep in the folder already.
    """
    if (folder / CONFIG).exists() and (folder / STATE).exists():
        raise ValueError(f"{folder} is the folder of a run: choose another one with hydra.sweep.dir=...")
    if is_sweep(folder):
        raise ValueError(
            f"{folder} holds a sweep already: continue it with {resume_sweep_command(folder, [])}, add the values that "
            "are to be run too (seed=0,1,2), or choose another folder with hydra.sweep.dir=..."
        )


def run_all(place: Place, failed: bool = False) -> int:
    """Runs every job that is to be done.

    Args:
        place: the sweep, whose manifest is written.
        failed: those that failed are run again, too.

    Returns:
        The exit status: 1 where a job failed.

    Raises:
        StoppedError: a signal stopped it.
    """
    numbers = to_do(place.folder, place.sweep, failed)
    search = searching(place)
    launcher = place.sweep.launcher
    take = taking(numbers, search)
    if launcher["name"] == "joblib":
        run_at_once(place, take, place.sweep.total() - len(place.sweep.jobs) + len(numbers), int(launcher["n_jobs"]))
    elif launcher["name"] in cluster.LAUNCHERS:
        cluster.submit(place, numbers)
    else:
        while (number := take()) is not None:
            print(f"\n{header(place.sweep, number)}", flush=True)
            run_job(place, number)
    if search is not None:
        search.keep()
    return ended(place)


def searching(place: Place) -> Search | None:
    """What draws more jobs, where the sweep is a search."""
    if not place.sweep.search:
        return None
    from embloom.sweeps.search import Search

    return Search(place)


def taking(numbers: Sequence[int], search: Search | None) -> Callable[[], int | None]:
    """Gives out the number of one job after the other, None at the end; any thread may ask."""
    left, lock = iter(numbers), threading.Lock()

    def take() -> int | None:
        with lock:
            number = next(left, None)
            return search.next() if number is None and search is not None else number

    return take


def ended(place: Place) -> int:
    """Says what came of the sweep, and returns the exit status."""
    print()
    print_results(place.folder, place.sweep, objectives_of(place.sweep))
    try:
        write_summary(place.folder)
    except OSError as error:
        print(f"warning: no {place.folder}/summary.csv: {error.strerror}", file=sys.stderr)
    print(f"done: {place.folder}")
    lines = unfinished(place.folder, place.sweep)
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    if lines:
        again = place.command(*([] if to_do(place.folder, place.sweep) else ["--failed"]))
        what = f"{len(lines)} of {len(place.sweep.jobs)} have not finished"
        print(f"{what}; run them again with:\n{again}", file=sys.stderr)
    return FAILED if lines else 0
