"""Starting and leaving a process: torch and Lightning are a million objects, among which Python would look for
garbage a thousand times at the start, and once more, each by itself, at the end. That is two seconds a command."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """No garbage collection while modules are imported."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Door:
    """Where a call came from; messages name what there is to type.

    Attributes:
        shell: whether it is a command's.
    """

    shell = False


def option(name: str, value: str = "") -> str:
    """How an option is written where the call came from: `--layer hidden_0` in a shell, `layer='hidden_0'` in Python.

    Args:
        name: the parameter's, in Python.
        value: what it should be; '' for `...`.
    """
    if Door.shell:
        return f"--{name.replace('_', '-')}" + (f" {value}" if value else "")
    return f"{name}={value!r}" if value else f"{name}=..."


def in_utf8() -> None:
    """Starts the process again in Python's UTF-8 mode where it can name nothing but ASCII: in the locale C with
    PYTHONUTF8=0 a file called café could neither be named nor written into a configuration."""
    if sys.getfilesystemencoding() in ("ascii", "us-ascii"):
        os.environ["PYTHONUTF8"] = "1"  # for the processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def as_process(main: Callable[[], None]) -> None:
    """Calls `main`, does what is registered for the exit, and leaves all else to the system.

    An exception that `main` lets through takes Python's own way out.
    """
    in_utf8()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter gets a mark in its place
            stream.reconfigure(errors="replace")
    try:
        main()
        code: str | int | None = 0
    except SystemExit as error:
        code = error.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code or 0)
