"""How long a training takes and how much memory it needs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

EVERY = 0.02  # seconds


def watched(overrides: Sequence[str]) -> tuple[str, str, str] | None:
    """Seconds and the highest memory in MB of `embloom train`, by itself and with the files that it maps; None where it
    failed."""
    started, own, with_files = time.perf_counter(), 0, 0
    command = [sys.executable, "-m", "embloom", "train", *overrides]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            lines = (Path("/proc") / str(process.pid) / "status").read_text().splitlines()
            found = dict(line.split(":", 1) for line in lines)
            if "RssAnon" in found:
                own = max(own, int(found["RssAnon"].split()[0]))
                with_files = max(with_files, int(found["VmHWM"].split()[0]))
            time.sleep(EVERY)
    if process.returncode:
        return None
    return f"{time.perf_counter() - started:.0f}", f"{own / 1024:.0f}", f"{with_files / 1024:.0f}"
