"""`embloom runs` and `embloom rm`: lists run folders, and deletes them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from embloom.commands.folding import folded, mark_sweeps
from embloom.files.run_folder import find_runs, is_locked, locked, row_of, table, written
from embloom.files.run_state import STATE, read_state
from embloom.files.sweep import find_sweeps, remove_sweep

DEEPEST = 2  # outputs/<what varies>/<encoder>-<dataset>-<date_time>
UNITS = ("B", "kB", "MB", "GB", "TB")
FILTERS = ("dataset", "encoder", "loss", "state")
STATES = ("running", "finished", "stopped", "failed", "killed", "unreadable")
SORTS = {"date": "started", "probe": "best_value", "size": "bytes", "name": "folder"}
STYLES = {"finished": "green", "running": "cyan", "failed": "red", "killed": "red", "unreadable": "red"}
NO_MATCH = "no run fits; see all with embloom runs"


def runs(arguments: list[str]) -> None:
    """`embloom runs [FOLDER] [filters]`."""
    parser = argparse.ArgumentParser(prog="embloom runs", description="Lists the runs under FOLDER, oldest first.")
    parser.add_argument("folder", nargs="?", default="outputs", metavar="FOLDER", help="default: outputs")
    for name in FILTERS:
        known = f"; of {', '.join(STATES)}" if name == "state" else ""
        parser.add_argument(f"--{name}", metavar="NAMES", help=f"only these: name,name or a pattern{known}")
    parser.add_argument("--since", metavar="DATE", help="only those begun on that day or later: 2026-01-31")
    parser.add_argument("--sort", choices=SORTS, default="date", help="default: date")
    parser.add_argument("--unfold", action="store_true", help="a line for each run of a sweep, as with filters")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    root = Path(options.folder)
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}: train something first, or name a folder, embloom runs FOLDER")
    rows = table(root)
    sweeps = mark_sweeps(root, rows)
    found = [row for row in rows if fits(row, options)]
    if len(found) == len(rows) and not options.unfold and not options.json:
        found = folded(sweeps, rows)
    found.sort(key=lambda row: order(row, SORTS[options.sort]))
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif not found:
        print(NO_MATCH if rows else f"no runs under {root}")
    else:
        print_runs(found)


def fits(row: dict[str, Any], options: argparse.Namespace) -> bool:
    """Whether a run passes every filter.

    Raises:
        ValueError: a state or the date is none.
    """
    for name in FILTERS:
        wanted = getattr(options, name)
        if wanted is None:
            continue
        patterns = wanted.split(",")
        if name == "state" and (unknown := [p for p in patterns if p not in STATES]):
            raise ValueError(f"--state {unknown[0]}: there is no such state; available: {', '.join(STATES)}")
        if not any(fnmatchcase(str(row.get(name, "")), pattern) for pattern in patterns):
            return False
    if options.since is None:
        return True
    try:
        day = datetime.fromisoformat(options.since).astimezone()
    except ValueError as error:
        raise ValueError(f"--since {options.since}: write the date as 2026-01-31") from error
    return bool(row.get("started")) and datetime.fromisoformat(row["started"]).astimezone() >= day


def order(row: dict[str, Any], key: str) -> tuple[bool, Any]:
    """Numbers from the smallest, what has none first, so that the best is the last line printed."""
    value = row.get(key)
    return value is not None, value if value is not None else 0


def print_runs(rows: Sequence[dict[str, Any]]) -> None:
    """A line a run where the terminal is wide enough, else the folders below, by number."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 400)
    lines = [cells(row) for row in rows]
    if any("progress" in row for row in rows):
        lines = [[line[0], row.get("progress", ""), *line[1:]] for line, row in zip(lines, rows, strict=True)]
    beside = wide(lines, rows) <= console.width
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    done = ["done"] if any("progress" in row for row in rows) else []
    for column in ("state", *done, "dataset", "encoder", "loss", "best probe", "begun", "size"):
        shown.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    shown.add_column("run" if beside else "", justify="left" if beside else "right", overflow="fold")
    for number, (row, line) in enumerate(zip(rows, lines, strict=True), 1):
        shown.add_row(*line, escape(row["folder"]) if beside else str(number))
    console.print(shown)
    if not beside:
        for number, row in enumerate(rows, 1):
            console.print(f"{number:>3}  {escape(row['folder'])}", soft_wrap=True)
    for row in chain.from_iterable((row, *row.get("failures", [])) for row in rows):
        if row["reason"]:
            when = f" in epoch {row['epoch']}" if row.get("epoch") else ""
            text = f"{row['folder']}: {row['state']}{when}: {row['reason']}"
            console.print(escape(text), soft_wrap=True, style="dim")


def cells(row: dict[str, Any]) -> list[str]:
    """A run as text."""
    style = STYLES.get(row["state"], "yellow")
    size = human(row["bytes"]) if "bytes" in row else ""
    begun = row.get("started", "")[:16].replace("T", " ")
    names = [escape(row.get(name, "")) for name in ("dataset", "encoder", "loss")]
    return [f"[{style}]{row['state']}[/]", *names, escape(row.get("best_probe", "")), begun, size]


def wide(lines: Sequence[Sequence[str]], rows: Sequence[dict[str, Any]]) -> int:
    """How many columns a table with the folders takes."""
    texts = [[Text.from_markup(cell).cell_len for cell in line] for line in lines]
    texts = [[*line, len(row["folder"])] for line, row in zip(texts, rows, strict=True)]
    return sum(max(10, *(line[i] for line in texts)) + 3 for i in range(len(texts[0])))


def remove(arguments: list[str]) -> None:
    """`embloom rm RUN ...`: deletes what runs have written, and nothing else."""
    from embloom.comparison.collect import folders

    parser = argparse.ArgumentParser(prog="embloom rm", description="Deletes runs; asks first.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, folders of runs, patterns")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    refuse_wide(options.runs)
    chosen = folders(options.runs)
    for folder in chosen:
        if folder.is_symlink():
            raise ValueError(f"{folder} is a link: name the folder that it leads to, or delete the link itself")
        read_state(folder)  # what cannot be read is not known to be a run
        if is_locked(folder):
            raise ValueError(f"{folder} is in use by another embloom process: nothing was deleted")
    rows = [row_of(folder) for folder in chosen]
    print_runs(rows)
    what = f"{len(rows)} run{'s' if len(rows) > 1 else ''}, {human(sum(row.get('bytes', 0) for row in rows))}"
    if not options.yes and not agreed(f"delete {what}? [y/N] "):
        print("nothing was deleted")
        return
    sweeps = [folder for name in options.runs for folder in find_sweeps(Path(name))]
    kept = [path for folder, row in zip(chosen, rows, strict=True) for path in delete(folder, row)]
    for folder in sweeps:
        remove_sweep(folder)
    print(f"deleted {what}")
    for path in kept:
        print(f"stays, since no run wrote it: {path}")


def refuse_wide(names: Sequence[str]) -> None:
    """Runs are deleted where somebody can mean them: in a folder of runs, not anywhere below one's home.

    Raises:
        ValueError: a name stands for a folder above the current one or for the home folder, or for runs far inside.
    """
    for name in names:
        for place in [Path(name)] if Path(name).exists() else map(Path, glob(name, recursive=True)):
            there = place.resolve()
            if there == Path.home().resolve() or there in Path.cwd().resolve().parents or there == Path("/"):
                raise ValueError(f"embloom rm {name}: too much lies in {there}: name the runs, or a folder of runs")
            for folder in find_runs(place):
                if len(folder.relative_to(place).parts) > DEEPEST:
                    raise ValueError(
                        f"embloom rm {name}: there are runs far inside, such as {folder}: name a folder nearer to them"
                    )


def agreed(question: str) -> bool:
    """Asks.

    Raises:
        ValueError: there is nobody to answer.
    """
    if not sys.stdin.isatty():
        raise ValueError("embloom rm asks before it deletes, and nobody can answer here: add --yes")
    return input(question).strip().lower() in ("y", "yes")


def delete(folder: Path, row: dict[str, Any]) -> list[Path]:
    """Deletes one run, and its folders once they are empty.

    Returns:
        What else lay there, and stays.

    Raises:
        ValueError: a process is writing the run.
    """
    with locked(folder):
        ours, others = written(folder)
        # First of all it stops being a run: an interrupted deletion leaves no half of one in the lists.
        for path in sorted(ours, key=lambda path: path.name != STATE):
            path.unlink(missing_ok=True)
    for place, _, _ in os.walk(folder, topdown=False):
        if not any(Path(place).iterdir()):
            Path(place).rmdir()
    parent = folder.resolve().parent
    name = "-".join(str(row.get(key, "")) for key in ("dataset", "encoder", "loss"))
    if parent.name == name and not any(parent.iterdir()):
        parent.rmdir()
    return others


def human(count: float) -> str:
    """Bytes as people read them: 1234 -> 1.2 kB."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
