"""Several jobs of a sweep at once, in processes on this machine.

Each process runs one job after the other, so that it imports torch once, and writes what a job says into the job's own
log. It is told job numbers and answers with lines of JSON; jobs themselves it reads from the manifest. When the process
that started it is gone, however it ended, so is it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embloom.assembly import own
from embloom.files.run_state import shown
from embloom.files.sweep import LOGS, read_sweep, state_of
from embloom.sweeps.running import Place, run_job
from embloom.sweeps.terminal import header, outcome
from embloom.training.stop_signals import StoppedError, handled, ignore, stop_at_once

WORKER = "_jobs"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
GRACE = 20.0  # seconds for processes to end after a second signal


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(count: int) -> dict[str, str]:
    """For one of `count` processes: its share of the cores, and where the user's own parts are."""
    share = max(1, cores() // count)
    threads = {name: str(min(share, int(os.environ.get(name) or share))) for name in THREADS}
    folders = os.pathsep.join(own.folders_in_use())
    return {**os.environ, **threads, own.VARIABLE: folders, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


class Worker:
    """A process that runs jobs.

    Args:
        place: the sweep.
        count: how many there are.
    """

    def __init__(self, place: Place, count: int) -> None:
        trusted = ["--anything"] if own.TRUST.anything else []
        # In a group of its own: Ctrl-C reaches the first process only, which passes it on once.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "embloom", WORKER, str(place.folder.resolve()), *trusted],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(count), process_group=0,
        )  # fmt: skip
        self.ready = False  # to be stopped by a signal

    def run(self, number: int) -> dict[str, Any] | None:
        """Has it run a job; None where it ended instead of answering."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{number}\n")
            self.process.stdin.flush()
        except OSError:
            return None
        if not self.ready:
            self.ready = bool(self.process.stdout.readline())
        line = self.process.stdout.readline()
        answer: dict[str, Any] | None = json.loads(line) if line else None
        return answer

    def close(self) -> int:
        """Lets it end; its exit status."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        return self.process.wait()


class Pool:
    """So many workers, each in the care of a thread.

    Args:
        place: the sweep.
        count: how many at once.
        take: the number of the next job, None where there is none.
    """

    def __init__(self, place: Place, count: int, take: Callable[[], int | None]) -> None:
        self.place, self.count, self.take = place, count, take
        self.workers: dict[int, Worker] = {}
        self.stopping = False
        self.errors: list[Exception] = []
        self.said = threading.Lock()
        self.threads = [threading.Thread(target=self.serve, args=(i,), daemon=True) for i in range(count)]

    def serve(self, index: int) -> None:
        """One thread's; what goes wrong in it is raised by `run`."""
        try:
            self.give_jobs(index)
        except Exception as error:
            self.errors.append(error)
            self.stopping = True
        finally:
            if index in self.workers:
                self.workers[index].close()

    def give_jobs(self, index: int) -> None:
        """Gives a worker jobs, and a job whose worker died a line of its own."""
        while not self.stopping and (number := self.take()) is not None:
            if index not in self.workers:
                self.workers[index] = Worker(self.place, self.count)
            began = time.monotonic()
            answer = self.workers[index].run(number)
            status = 0
            if answer is None:
                status = self.workers.pop(index).close()
            self.tell(number, time.monotonic() - began, status)

    def tell(self, number: int, seconds: float, status: int) -> None:
        """The line of a job that has ended."""
        state = state_of(self.place.folder / self.place.sweep.jobs[number].folder)
        why = f"its process ended with {name_of(status)}" if status and not self.stopping else ""
        with self.said:
            print(f"{header(self.place.sweep, number)}: {outcome(state, why)}, {seconds:.0f} s", flush=True)

    def run(self) -> None:
        """Runs until there is nothing to take.

        Raises:
            StoppedError: a signal came; it was passed on, and the runs have been saved.
        """
        for thread in self.threads:
            thread.start()
        try:
            self.wait()
        except StoppedError as error:
            print("\nstopping after this step; once more to stop at once without saving", flush=True)
            self.stop(error.signum)
            try:
                self.wait()
            except StoppedError as second:
                with handled(ignore):
                    self.stop(second.signum)
                    self.wait(GRACE)
                    self.stop(signal.SIGKILL)
                    self.wait(GRACE)
            raise
        if self.errors:
            raise self.errors[0]

    def wait(self, seconds: float = float("inf")) -> None:
        """Until all threads have ended, or so long."""
        end = time.monotonic() + seconds
        for thread in self.threads:
            while thread.is_alive() and time.monotonic() < end:
                thread.join(0.2)

    def stop(self, signum: int) -> None:
        """Gives out nothing more, and passes a signal on."""
        self.stopping = True
        for worker in list(self.workers.values()):
            if worker.process.poll() is None:  # one that is starting has nothing to save
                worker.process.send_signal(signum if worker.ready else signal.SIGKILL)


def name_of(status: int) -> str:
    """An exit status as people know it."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def run_at_once(place: Place, take: Callable[[], int | None], total: int, count: int) -> None:
    """Runs jobs in processes.

    Args:
        place: the sweep.
        take: gives the number of the next job, None where there is none.
        total: how many there will be.
        count: how many at once; -1 for one a core.
    """
    count = min(cores() if count < 0 else count, total)
    if not total:
        return
    (place.folder / LOGS).mkdir(exist_ok=True)
    print(f"{total} runs, {count} at once; what each says: {shown(place.folder / LOGS)}/NUMBER.log", flush=True)
    Pool(place, count, take).run()


def serve(arguments: list[str]) -> None:
    """`embloom _jobs FOLDER`: the process that runs jobs as it is told."""
    folder, orders, busy = Path(arguments[0]), queue.Queue[str | None](), threading.Event()
    told, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def listen() -> None:
        for line in told:
            busy.set()
            orders.put(line)
        if busy.is_set():  # who gave the order is gone
            os._exit(1)
        orders.put(None)

    threading.Thread(target=listen, daemon=True).start()
    place = Place(folder, read_sweep(folder))
    try:
        with handled(stop_at_once), own.parts(own.inherited_folders(), anything="--anything" in arguments):
            print("ready", file=answers, flush=True)
            while (line := orders.get()) is not None:
                answer = logged(place, int(line))
                busy.clear()
                print(json.dumps(answer), file=answers, flush=True)
    except StoppedError as error:
        sys.exit(128 + error.signum)


def logged(place: Place, number: int) -> dict[str, Any]:
    """Runs a job with its output in its own log."""
    if number >= len(place.sweep.jobs):  # a search has drawn it meanwhile
        place.sweep = read_sweep(place.folder)
    place.said.clear()
    with (place.folder / LOGS / f"{number + 1}.log").open("a") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    try:
        return {"why": run_job(place, number)}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
