"""Plays the first hour with embloom, as a new user would, and says what was not as it should be.

    python scripts/first_hour                          all tasks, at 80 and 200 columns and piped
    python scripts/first_hour sweep neighbors_photo    some of them
    python scripts/first_hour --list
    python scripts/first_hour --screenshots FOLDER     keeps pictures of the pages and of TensorBoard, to be looked at

Exit status 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import asking  # noqa: F401
import board  # noqa: F401
import ecosystem  # noqa: F401
import pages  # noqa: F401
import terminal  # noqa: F401
from hour import TASKS, Hour, TaskError, furnish
from screen import MODES


def main() -> None:
    """Plays the tasks that are chosen."""
    parser = argparse.ArgumentParser("first_hour", description="Plays the first hour with embloom.")
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="which ones; all of them")
    parser.add_argument("--list", action="store_true", help="only name them")
    parser.add_argument("--widths", default=",".join(map(str, MODES)), help="of terminals; 0 is a pipe")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="keep pictures of pages here")
    parser.add_argument("--folder", type=Path, help="where to do it, and leave everything; default: a temporary one")
    options = parser.parse_args()
    if options.list:
        for name, task in TASKS.items():
            print(f"{task.section:<12} {name:<22} {task.does.splitlines()[0]}")
        return
    if unknown := [name for name in options.tasks if name not in TASKS]:
        parser.error(f"there is no task {unknown[0]}; see --list")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "photos").exists():
            furnish(folder)
        if options.screenshots:
            options.screenshots.mkdir(parents=True, exist_ok=True)
        widths = tuple(int(width) for width in options.widths.split(","))
        wrong = play(options.tasks or list(TASKS), folder, widths, options.screenshots)
    sys.exit(1 if wrong else 0)


def play(names: list[str], folder: Path, widths: tuple[int, ...], screenshots: Path | None) -> int:
    """Plays tasks, one after another; returns how many were not as they should be."""
    wrong = 0
    for name in names:
        hour, began = Hour(folder, widths, screenshots), time.monotonic()
        try:
            TASKS[name].play(hour)
        except TaskError as error:
            hour.problems.append(str(error))
        wrong += bool(hour.problems)
        verdict = "WRONG" if hour.problems else "as it should be"
        print(f"{TASKS[name].section:<12} {name:<22} {verdict}  ({time.monotonic() - began:.0f} s)", flush=True)
        for problem in hour.problems:
            print(f"  - {problem}", flush=True)
    print(f"{len(names)} tasks, {wrong} not as they should be")
    return wrong


if __name__ == "__main__":
    main()
