"""Where the time of a training goes: `trainer.profiler=simple` or `pytorch`."""

from __future__ import annotations

import math
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.profilers import Profiler, PyTorchProfiler, SimpleProfiler
from rich.console import Console
from rich.table import Table
from torch.profiler import schedule

from embloom.training.lightning_internals import NoProfiler

FOLDER, FILE = "profile", "report"
MOST_ROWS = 12
STEPS = 10  # that are recorded


def make_profiler(kind: str | None, folder: Path) -> Profiler:
    """The profiler that is asked for, which writes to `profile/` in the run folder; most often one that does nothing.

    Args:
        kind: `simple` (seconds by what Lightning and embloom do), `pytorch` (by operation, with a trace for
            chrome://tracing), or None.
        folder: the run folder.
    """
    if kind == "simple":
        return SimpleProfiler(folder / FOLDER, FILE)
    if kind == "pytorch":
        steps = schedule(wait=1, warmup=2, active=STEPS, repeat=1)
        return PyTorchProfiler(folder / FOLDER, FILE, schedule=steps, acc_events=True)
    return NoProfiler()


def print_profile(trainer: Trainer, folder: Path) -> None:
    """Says where the time of the training went, if somebody asked; the whole report is a file."""
    profiler: Profiler = vars(trainer)["profiler"]
    if isinstance(profiler, NoProfiler):
        return
    console = Console(force_jupyter=False, highlight=False)
    if isinstance(profiler, SimpleProfiler):
        totals = sorted(((math.fsum(d), len(d), a) for a, d in profiler.recorded_durations.items()), reverse=True)
        shown = Table("where the time went (one within the other)", "seconds", "calls", box=None, pad_edge=False)
        for seconds, calls, action in totals[:MOST_ROWS]:
            shown.add_row(action, f"{seconds:.3f}", f"{calls:,}")
        console.print(shown)
    elif isinstance(profiler, PyTorchProfiler) and profiler.function_events is not None:
        averages = sorted(profiler.function_events.key_averages(), key=lambda e: -e.self_cpu_time_total)
        shown = Table(f"where the time went, in {STEPS} steps", "ms on the CPU", "calls", box=None, pad_edge=False)
        for event in averages[:MOST_ROWS]:
            shown.add_row(event.key, f"{event.self_cpu_time_total / 1000:.2f}", f"{event.count:,}")
        console.print(shown)
    console.print(f"the whole profile: {folder / FOLDER}", soft_wrap=True)
