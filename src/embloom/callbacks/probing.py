"""Probes while a run trains, on its validation split."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from embloom.assembly.parameters import integers, numbers, positive_integers
from embloom.callbacks.base import Callback, Training
from embloom.probes.base import freeze
from embloom.probes.run import measured
from embloom.probes.sample import Rows, freeze_sample

AUTO = "auto"


class Probing(Callback):
    """Probes while a run trains, to see when a loss learns what; at the end they run in any case, on the test split.

    With `auto` each probe has the same part of a share of the time, and runs after an epoch whenever its last
    measurement fits into what is left of that; its first is a trial. It sees a sample: always the same rows.

    Args:
        every_n_epochs: `auto`; 0 for the end only; or after every so many epochs, on all rows.
        samples: with `auto`, so many of the training split to fit to, and of the validation split to score, at most.
        share: with `auto`, so much of the time of training at most, beside the trials.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, every_n_epochs: int | str = AUTO, samples: int = 1000, share: float = 0.05) -> None:
        if every_n_epochs != AUTO:
            integers(0, every_n_epochs=every_n_epochs)
        positive_integers(samples=samples)
        numbers(above=0, at_most=1, share=share)
        self.every_n_epochs, self.samples, self.share = every_n_epochs, samples, share
        self.spent: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.failed: set[str] = set()
        self.rows: tuple[Rows, Rows] | None = None
        self.began = self.used = 0.0

    def on_start(self, run: Training) -> None:
        """Starts the clock."""
        self.began = time.perf_counter()
        self.spent, self.last, self.used = {}, {}, 0.0

    def on_validated(self, run: Training) -> None:
        """Probes now and then; a probe that fails is told at the end."""
        if not run.first_process:
            return
        if self.every_n_epochs == AUTO:
            if run.epoch + 1 < run.epochs:  # the end has all rows
                self.probe_within_share(run)
        elif self.every_n_epochs and (run.epoch + 1) % int(self.every_n_epochs) == 0:
            frozen = freeze(run.encode, run.encoder, run.dataset, device=run.device, score="val")
            run.probed = measured(run.probes, frozen).values
            run.log(run.probed)

    def probe_within_share(self, run: Training) -> None:
        """Runs the probes that the time allows."""
        trained = time.perf_counter() - self.began - self.used
        allowed = self.share * trained / max(1, len(run.probes))
        cost = {name: self.spent.get(name, 0.0) + self.last.get(name, 0.0) for name in run.probes}
        due = {name: p for name, p in run.probes.items() if cost[name] <= allowed and name not in self.failed}
        if not due:
            return
        first = not self.last
        if self.rows is None:
            self.rows = (Rows(run.dataset, "train", self.samples), Rows(run.dataset, "val", self.samples))
        begun = time.perf_counter()
        with untouched(run.device):
            if first and run.dataset.labels:
                for rows in self.rows:
                    iter(rows)  # reads them, which no later measurement does
            frozen = freeze_sample(run.encode, run.encoder, run.dataset, run.device, *self.rows)
            for name, probe in due.items():
                start = time.perf_counter()
                found = measured({name: probe}, frozen)
                run.log(found.values)
                self.last[name] = time.perf_counter() - start
                self.spent[name] = self.spent.get(name, 0.0) + (0.0 if first else self.last[name])
                if found.failed:  # it would fail again
                    self.failed.add(name)
        self.used += time.perf_counter() - begun
        if first:
            run.say(self.plan(run, trained / (run.epoch + 1)))

    def plan(self, run: Training, epoch: float) -> str:
        """What is probed how often, of epochs that take so many seconds."""
        allowed = self.share * epoch / max(1, len(run.probes))
        said, share = [], f"{100 * self.share:g} %"
        for name, seconds in self.last.items():
            every = max(1, math.ceil(seconds / allowed)) if name not in self.failed else run.epochs
            often = "every epoch" if every == 1 else f"every {every} epochs"
            said.append(f"{name} {often if every < run.epochs else 'only at the end'}")
        return f"probes while it trains, on a sample, within {share} of the time: {', '.join(said)}"


@contextmanager
def untouched(device: torch.device) -> Iterator[None]:
    """Leaves the generators of random numbers as they are."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
