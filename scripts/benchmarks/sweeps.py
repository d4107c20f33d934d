"""Times a sweep against the same runs in a shell loop: digits, one epoch each.

    python scripts/benchmarks/sweeps.py [--runs 50] [--processes 2] [key=value ...]

Three ways to the same runs: `embloom train seed=N` one after the other, a process each; `embloom train -m` in one
process; and the same in several (hydra/launcher=joblib). All must have reached the same content hashes, with one thread
each. Printed are seconds by the clock, which other programs on the machine lengthen, and seconds of processor time
of all processes; and of a sweep in one process what each run after the first takes, against a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def embloom(*arguments: str, cwd: Path) -> None:
    """Runs a command quietly."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "embloom", *arguments]
    subprocess.run(command, cwd=cwd, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed(commands: Sequence[Sequence[str]], cwd: Path) -> tuple[float, float]:
    """Seconds by the clock and of processor time that commands take, one after the other."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        embloom(*command, cwd=cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def hashes(folder: Path) -> list[str]:
    """The content hashes of a folder's runs."""
    return sorted(json.loads(card.read_text())["content_hash"] for card in folder.glob("*/embeddings/card.json"))


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    settings = ["trainer=cpu", "trainer.max_epochs=1", *options.overrides]
    sweep = ["train", "-m", *settings, f"seed=range(0,{options.runs})"]
    ways = {
        "a process each": [["train", *settings, f"seed={n}", f"hydra.run.dir=loop/{n}"] for n in range(options.runs)],
        "a sweep": [[*sweep, "hydra.sweep.dir=sweep"]],
        f"a sweep in {options.processes} processes": [
            [*sweep, "hydra.sweep.dir=at_once", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={options.processes}"]
        ],
    }
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        embloom("train", *settings, "hydra.run.dir=warm", cwd=place)
        found = {way: timed(commands, place) for way, commands in ways.items()}
        _, single = timed([["train", *settings, "seed=0", "hydra.run.dir=single"]], place)
        assert hashes(place / "loop") == hashes(place / "sweep") == hashes(place / "at_once")
    clock, processor = found["a process each"]
    for way, (seconds, used) in found.items():
        print(
            f"{way:<26} {seconds:7.1f} s by the clock ({clock / seconds:.1f} times as fast), "
            f"{used:7.1f} s of processor time ({processor / used:.1f} times as little)"
        )
    later = (found["a sweep"][1] - single) / max(1, options.runs - 1)
    print(f"a run of a sweep after the first: {later:.2f} s of processor time, {later / single:.0%} of a process's")


if __name__ == "__main__":
    main()
