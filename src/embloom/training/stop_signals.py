"""Ctrl-C and SIGTERM: finish the step, save, and stop."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

STOPPING = [signal.SIGINT, signal.SIGTERM]
T = TypeVar("T")


class StoppedError(BaseException):
    """The run was told to stop by a signal. No `Exception`: nobody who handles what may go wrong means this.

    Attributes:
        signum: the signal.
        told: the user has been told how to continue.
    """

    def __init__(self, signum: int) -> None:
        self.signum, self.told = signum, False
        super().__init__(f"stopped by {signal.Signals(signum).name}")


@contextmanager
def handled(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Has the signals that stop a process call `handler`; elsewhere than in the main thread they cannot be caught."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.signal(signum, handler) for signum in STOPPING}
    try:
        yield
    finally:
        for signum, previous in before.items():
            signal.signal(signum, previous)


@contextmanager
def stopping_by(*signals: signal.Signals) -> Iterator[None]:
    """Has other signals stop a run, where who started the process means something else by the usual ones."""
    before = list(STOPPING)
    STOPPING[:] = signals
    try:
        yield
    finally:
        STOPPING[:] = before


def ignore(signum: int, frame: FrameType | None) -> None:
    """While a stopped run is being recorded, another signal changes nothing."""


def stop_at_once(signum: int, frame: FrameType | None) -> None:
    """Outside the training steps there is nothing to save."""
    raise StoppedError(signum)


class StopRequest:
    """Stops after the step that is under way, or after the validation if one is next.

    A second signal stops at once, without saving; what was saved before is still there to resume from.
    """

    def __init__(self) -> None:
        self.signum: int | None = None

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Takes note; a second time, stops at once."""
        if self.signum is not None:
            raise StoppedError(signum)
        self.signum = signum
        print("\nstopping after this step; once more to stop at once without saving", flush=True)


def stoppable(run: Callable[[], T], told: Callable[[], str]) -> T:
    """Runs; a signal that stops it gives the exit status that shells expect.

    Args:
        run: what is run.
        told: what to say of a signal that comes before the training, or behind it; the run itself tells of others.
    """
    try:
        with handled(stop_at_once):
            return run()
    except StoppedError as error:
        if not error.told:
            print(f"{error}; {told()}", flush=True)
        sys.exit(128 + error.signum)
