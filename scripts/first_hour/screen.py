"""Runs commands as people do, and sees what stands on the screen: a terminal of some width, or a pipe.

The terminal is emulated far wider than the program is told, so that a line that runs over its edge shows.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyte
from wcwidth import wcswidth

ROOT = Path(__file__).parents[2]
WIDE, TALL = 1000, 3000
SECONDS = 600
PIPED = 0  # the width of what has none
MODES = (80, 200, PIPED)
# What may be longer than a line: a command or a path, which is copied as it is, and an error, which programs read.
WHOLE = re.compile(r"^(error: |usage: |\s*(\d+\s+)?(embloom|tensorboard|hf|python) )|\S*/\S*")
Interrupt = tuple[str, float]


@dataclass
class Screen:
    """What a command left.

    Attributes:
        command: what was typed.
        width: of the terminal; 0: it was piped.
        status: its exit status.
        lines: what stands on the screen in the end; of a pipe standard output, then standard error.
        raw: every byte.
        output: of a pipe, standard output alone.
    """

    command: str
    width: int
    status: int
    lines: list[str]
    raw: bytes
    output: str = ""
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = "\n".join(self.lines)

    def faults(self, *statuses: int) -> list[str]:
        """What no command may do, whatever it says, that ends with one of these."""
        found = []
        if self.status not in statuses:
            found.append(f"exit status {self.status}, not {' or '.join(map(str, statuses))}")
        if "Traceback (most recent call last)" in self.text:
            found.append("a traceback")
        if self.width == PIPED and b"\x1b" in self.raw:
            found.append("escape codes in a pipe")
        if cut := [line for line in self.lines if "\N{HORIZONTAL ELLIPSIS}" in line]:
            found.append(f"a line is cut: {cut[0].strip()}")
        if self.width and (over := [line for line in self.lines if too_long(line, self.width)]):
            found.append(f"{len(over)} lines run over {self.width} columns: {over[0].strip()[:100]}")
        return found


def too_long(line: str, width: int) -> bool:
    """Whether a line runs over the edge that should not."""
    return wcswidth(line) > width and not WHOLE.search(line)


def run(
    arguments: Sequence[str], cwd: Path, width: int, interrupt: Interrupt | None = None, answer: str = ""
) -> Screen:
    """Runs embloom (or `python ...`) to its end.

    Args:
        arguments: as they are typed.
        cwd: where.
        width: columns of the terminal, or 0 for a pipe.
        interrupt: press Ctrl-C so many seconds after this text appeared.
        answer: typed at once.
    """
    program = [sys.executable, "-m", "embloom"] if arguments[0] == "embloom" else [sys.executable]
    command = [*program, *arguments[1:]]
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    environment = {**kept, "TERM": "xterm-256color", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": source()}
    typed = " ".join(arguments)
    if width == PIPED:
        return piped(typed, command, cwd, environment)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    if answer:
        os.write(ours, answer.encode())
    raw = read(ours, process, interrupt)
    os.close(ours)
    return Screen(typed, width, process.wait(SECONDS), shown(raw), raw)


def source() -> str:
    """Where embloom is imported from: this checkout, unless somebody says otherwise."""
    return os.environ.get("PYTHONPATH") or str(ROOT / "src")


def piped(typed: str, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Screen:
    """Into pipes."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    raw = done.stdout + done.stderr
    lines = [line.rstrip() for line in raw.decode(errors="replace").splitlines()]
    return Screen(typed, PIPED, done.returncode, lines, raw, done.stdout.decode(errors="replace"))


def read(terminal: int, process: subprocess.Popen[bytes], interrupt: Interrupt | None) -> bytes:
    """All that is written to the terminal until the program ends."""
    raw, end, at = b"", time.monotonic() + SECONDS, 0.0
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                part = os.read(terminal, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            raw += part
        elif process.poll() is not None:
            break
        if interrupt and not at and interrupt[0].encode() in raw:
            at = time.monotonic() + interrupt[1]
        if interrupt and at and time.monotonic() > at:
            os.killpg(process.pid, signal.SIGINT)
            interrupt = None
    else:
        process.kill()
    return raw


def shown(raw: bytes) -> list[str]:
    """What stands on a terminal that is wide and tall enough, after all bytes; no empty lines at its end."""
    screen = pyte.Screen(WIDE, TALL)
    pyte.ByteStream(screen).feed(raw)
    lines = []
    for y in range(screen.cursor.y + 1):
        row = screen.buffer[y]  # of what was written only: the whole screen would take seconds
        lines.append("".join(row[x].data for x in range(max(row, default=-1) + 1)).rstrip())
    while lines and not lines[-1]:
        lines.pop()
    return lines
