"""Prints run folders as a table."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from embloom.runs import table

UNITS = ("B", "kB", "MB", "GB", "TB")


def print_runs(root: Path) -> None:
    """Lists the runs under a folder, oldest first."""
    rows = table(root)
    if not rows:
        print(f"no runs under {root}")
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("state", "epoch", "best probe", "size", "run"):
        shown.add_column(column, justify="right" if column in ("epoch", "size") else "left", overflow="fold")
    for row in rows:
        state = row["state"] + (f": {row['reason']}" if row["reason"] else "")
        size = human(row["bytes"]) if "bytes" in row else ""
        shown.add_row(state, str(row.get("epoch", "")), row.get("best_probe", ""), size, row["folder"])
    Console().print(shown)


def human(count: float) -> str:
    """Bytes as people read them: 1234 -> 1.2 kB."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
