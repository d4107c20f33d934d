"""Numbered items, each worked on by one of some processes; nothing here needs torch."""

from __future__ import annotations

import multiprocessing
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from queue import Empty, Full
from typing import Any

Make = Callable[[], "Worker"]


class Worker(ABC):
    """What a process does with items."""

    @abstractmethod
    def work(self, number: int, item: Any) -> None:
        """Does one.

        Raises:
            ValueError: it cannot be done; the message is for users.
        """

    def result(self) -> Any:
        """What is left to say after the last."""
        return None


def refuse_unguarded() -> None:
    """Ends a worker that only began: it imports the script that started it, which without a guard would begin all
    once more, and wait for the lock that its parent holds."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)


def shared_out(items: Iterable[Any], make: Make, workers: int, what: str, advice: str) -> tuple[list[int], list[Any]]:
    """Hands items to processes.

    At most three items a worker wait, so memory does not grow with their number.

    Args:
        items: anything that pickles.
        make: makes a worker in its process; it is pickled.
        workers: how many processes; with 1 it is this one.
        what: what a process is called in messages (`tokenizer`).
        advice: what else to do where processes cannot be started (`use dataset.workers=1`).

    Returns:
        For each item the number of its worker, and for each worker its result.

    Raises:
        ValueError: what a worker could not do, in its own words; of several the first item's.
    """
    if workers < 2:
        worker, owners = make(), []
        for number, item in enumerate(items):
            worker.work(number, item)
            owners.append(0)
        return owners, [worker.result()]
    context = multiprocessing.get_context("spawn")
    todo: Any = context.Queue(3 * workers)
    done: Any = context.Queue()
    processes = [context.Process(target=_run, args=(n, todo, done, make)) for n in range(workers)]
    try:
        # Ctrl-C reaches them too, and they would say so at length; blocked here, it is blocked in them for good.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for process in processes:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        total = 0
        for number, item in enumerate(items):
            if not _put(todo, (number, item), processes, all):
                break
            total += 1
        for _ in processes:
            _put(todo, None, processes, any)
        return _collected(done, processes, total, what, advice)
    finally:
        todo.cancel_join_thread()  # what nobody will read need not be written
        for process in processes:
            process.terminate()
            process.join()


def _put(todo: Any, item: object, processes: list[Any], needed: Callable[[Iterable[bool]], bool]) -> bool:
    """Queues an item; False when a worker (all, any of them) has ended, which `_collected` explains."""
    while needed(process.is_alive() for process in processes):
        try:
            todo.put(item, timeout=0.2)
            return True
        except Full:
            continue
    return False


def _collected(done: Any, processes: list[Any], total: int, what: str, advice: str) -> tuple[list[int], list[Any]]:
    owners, results = [0] * total, [None for _ in processes]
    errors: list[tuple[int, str]] = []
    for _ in processes:
        worker, numbers, result, error = _next_report(done, processes, what, advice)
        if error:
            errors.append((numbers[-1] if numbers else 0, error))
            continue
        for number in numbers:
            owners[number] = worker
        results[worker] = result
    if errors:
        raise ValueError(min(errors)[1])
    return owners, results


def _next_report(done: Any, processes: list[Any], what: str, advice: str) -> tuple[int, list[int], Any, str]:
    while True:
        try:
            return done.get(timeout=0.5)
        except Empty:
            codes = [process.exitcode or 0 for process in processes]
            if min(codes) < 0:
                raise ValueError(f"a {what} process was killed; is there memory enough?") from None
            if any(codes):
                raise ValueError(
                    f"a {what} process ended at once: in a script, put what reads the data under "
                    f'`if __name__ == "__main__":`, or {advice}'
                ) from None


def _run(number: int, todo: Any, done: Any, make: Make) -> None:
    numbers: list[int] = []
    try:
        worker = make()
        while (item := todo.get()) is not None:
            numbers.append(item[0])
            worker.work(*item)
        done.put((number, numbers, worker.result(), ""))
    except ValueError as error:  # the parent reports it
        done.put((number, numbers, None, str(error)))
    except Exception as error:
        done.put((number, numbers, None, f"{type(error).__name__}: {error}"))
