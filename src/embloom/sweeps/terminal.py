"""What a sweep says: each run's header, and at the end what became of all of them, best first."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embloom.files.run_state import RunState, shown
from embloom.files.sweep import Sweep, states
from embloom.sweeps.objectives import Objective, default, scores

MOST_SCORES = 6  # columns


def header(sweep: Sweep, number: int) -> str:
    """`run 3 of 8: loss=mse seed=1`."""
    return f"run {number + 1} of {sweep.total()}: {sweep.jobs[number].label()}".rstrip(": ")


def outcome(state: RunState | None, why: str = "") -> str:
    """What became of a run, in a few words.

    Args:
        state: of its folder.
        why: what is known beside that.
    """
    if state is None:
        return why or "not begun"
    if state.state == "finished":
        ended = "finished" if not state.reason else f"finished ({state.reason.splitlines()[0]})"
        tags = scores([state.metrics])[:1] or ["val/loss"]
        return ", ".join([ended, *(f"{tag} {state.metrics[tag]:.4f}" for tag in tags if tag in state.metrics)])
    reason = (why or state.reason).splitlines()
    return f"{state.state}: {reason[0]}" if reason else state.state


def print_results(folder: Path, sweep: Sweep, objectives: Sequence[Objective] = ()) -> None:
    """Prints what varied and the probes of each run, best first, and where the embeddings are.

    Args:
        folder: of the sweep.
        sweep: its manifest.
        objectives: what a search improved; else the first probe.
    """
    found = [
        (number, state) for number, state in enumerate(states(folder, sweep)) if state is not None and state.metrics
    ]
    if not found:
        return
    by = (list(objectives) or default([state.metrics for _, state in found]))[0]
    found.sort(key=lambda entry: by.order(entry[1].metrics))
    tags = list(dict.fromkeys([*(o.tag for o in objectives), by.tag, *scores(state.metrics for _, state in found)]))
    tags = tags[:MOST_SCORES]
    keys = list(dict.fromkeys(key for job in sweep.jobs for key in job.varied))
    table = Table("run", *map(escape, keys), *map(escape, tags), box=box.SIMPLE_HEAD, pad_edge=False)
    for number, state in found:
        varied = [escape(sweep.jobs[number].value(key)) for key in keys]
        table.add_row(str(number + 1), *varied, *(cell(state, tag) for tag in tags))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 400)
    console.print(table)
    place = escape(shlex.quote(str(shown(folder))))
    console.print(f"best first by {escape(by.tag)}; more than luck? embloom best {place}; all: embloom compare {place}")


def cell(state: RunState, tag: str) -> str:
    """A metric as text."""
    return f"{state.metrics[tag]:.4f}" if tag in state.metrics else ""


def objectives_of(sweep: Sweep) -> list[Objective]:
    """What the sweep is to be sorted by, where that was said."""
    asked = sweep.search.get("objectives") or (sweep.jobs[0].config.get("optimize") if sweep.jobs else None) or []
    return [Objective.of(text) for text in ([asked] if isinstance(asked, str) else asked)]


def unfinished(folder: Path, sweep: Sweep) -> list[str]:
    """A line for each run that has not finished, with the reason."""
    return [
        f"{header(sweep, number)}: {outcome(state)}"
        for number, state in enumerate(states(folder, sweep))
        if state is None or state.state != "finished"
    ]
