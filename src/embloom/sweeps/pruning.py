"""Ends runs of a search early that do worse than the others did as far into their training."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from embloom.callbacks.base import Callback, Training
from embloom.comparison.curves import curves
from embloom.files.sweep import Sweep, state_of
from embloom.sweeps.objectives import Objective

PRUNED = "pruned"  # how the reason of such a run begins
REDUCTION = 3
STARTUP = 4  # runs that median lets end before it judges


class Pruning(Callback):
    """Ends the training after a validation in which `judge` finds the run too bad.

    Args:
        by: the metric; a probe is known after the epochs that `callbacks.probing.every_n_epochs` names.
        pruner: `halving` or `median`, see `judged`.
        others: the same metric of the runs that have ended, by validation from 1.
    """

    def __init__(self, by: Objective, pruner: str, others: Sequence[Mapping[int, float]]) -> None:
        self.by, self.pruner, self.others = by, pruner, others
        self.values: list[float] = []

    def on_validated(self, run: Training) -> None:
        """Judges, where the metric is new."""
        found = {**run.metrics, **run.probed}
        if self.by.tag not in found:
            return
        self.values.append(found[self.by.tag])
        if run.epoch + 1 < run.epochs and judged(self.pruner, self.values, self.others, self.by.lower):
            self.ended = f"{PRUNED} after epoch {run.epoch + 1}"
            if run.first_process:
                print(f"{self.ended}, at {self.by.tag} {self.values[-1]:.4f}")
            run.stop()

    def state(self) -> dict[str, Any]:
        """What it has seen."""
        return {"values": self.values, "ended": self.ended}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `state`."""
        self.values, self.ended = list(state["values"]), state["ended"]


def judged(pruner: str, values: Sequence[float], others: Sequence[Mapping[int, float]], lower: bool) -> bool:
    """Whether a run is to be ended.

    `halving`: asynchronous successive halving (Li et al. 2020, algorithm 2): after 1, 3, 9, ... validations a run goes
    on if it is among the best third of those that came so far. `median`: it goes on if its best value is no worse than
    the median of what others had at that time (Golovin et al. 2017), once there are enough of them.

    Args:
        pruner: which rule.
        values: of this run, one a validation.
        others: of others, by validation from 1.
        lower: less is better.
    """
    sign, step = (1.0 if lower else -1.0), len(values)
    then = [sign * other[step] for other in others if step in other]
    if pruner == "median":
        return len(then) >= STARTUP and min(sign * value for value in values) > statistics.median(then)
    if step not in rounds(step) or not then:
        return False
    ranked = sorted([*then, sign * values[-1]])
    return sign * values[-1] > ranked[max(0, len(ranked) // REDUCTION - 1)]


def rounds(last: int) -> list[int]:
    """1, 3, 9, ... up to `last`."""
    found = [1]
    while found[-1] * REDUCTION <= last:
        found.append(found[-1] * REDUCTION)
    return found


def callback_for(folder: Path, sweep: Sweep, number: int) -> dict[str, Callback]:
    """What prunes a job of a search; nothing where the search does not."""
    search = sweep.search
    if not search.get("pruner"):
        return {}
    by = Objective.of(search["prune_by"])
    others = [
        intermediate(folder / job.folder, by)
        for other, job in enumerate(sweep.jobs)
        if other != number and (state := state_of(folder / job.folder)) and state.state == "finished"
    ]
    return {"pruning": Pruning(by, search["pruner"], others)}


@cache
def intermediate(folder: Path, by: Objective) -> dict[int, float]:
    """A metric of a run that has finished, by validation from 1."""
    values = curves(folder, most=None).get(by.tag, ([], []))[1]
    if by.tag.startswith("probe/"):
        values = values[:-1]  # the last is measured on the test split
    return dict(enumerate(values, 1))
