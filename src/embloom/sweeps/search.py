"""Searches: Optuna draws the next job from what the others have reached.

The study is computed anew from the manifest and the run folders each time, and each draw is seeded by its number, so a
search that was killed goes on as if it had not been. `study.journal` beside the manifest is written for Optuna's own
tools, and never read. (Hydra's plugin for Optuna needs a version of it from before 3.0.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from embloom.assembly import own
from embloom.files.run_state import RunState
from embloom.files.sweep import Job, state_of
from embloom.seeding import mix
from embloom.sweeps.jobs import check, composer, in_single_quotes, job_of, job_options, parsed, values_of
from embloom.sweeps.objectives import Objective
from embloom.sweeps.pruning import PRUNED, intermediate
from embloom.sweeps.rehearsal import decided
from embloom.sweeps.running import Place

JOURNAL = "study.journal"
ATTEMPTS = 10  # to draw what was not drawn before


def installed() -> Any:
    """Optuna.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ValueError("hydra/sweeper=optuna needs Optuna: pip install 'embloom[optuna]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def space_of(overrides: list[Override]) -> dict[str, Any]:
    """What is searched: key -> Optuna's distribution.

    Raises:
        ValueError: nothing is, or a value cannot be drawn from.
    """
    found: dict[str, Any] = {}
    kinds = installed().distributions
    for override in overrides:
        if not override.is_sweep_override():
            continue
        value = override.value()
        tags: set[str] = getattr(value, "tags", set())
        try:
            if isinstance(value, IntervalSweep):
                whole = isinstance(value.start, int) and isinstance(value.end, int)
                kind = kinds.IntDistribution if whole else kinds.FloatDistribution
                found[override.key_or_group] = kind(value.start, value.end, log="log" in tags)
            elif isinstance(value, RangeSweep) and isinstance(value.start, int) and isinstance(value.step, int):
                last = value.start + (math.ceil(value.stop or 0) - value.start - 1) // value.step * value.step
                found[override.key_or_group] = kinds.IntDistribution(value.start, last, step=value.step)
            else:
                found[override.key_or_group] = kinds.CategoricalDistribution(values_of(override))
        except ValueError as error:
            raise ValueError(f"{override.input_line}: it cannot be drawn from: {error}") from error
    if not found:
        raise ValueError("nothing is searched: name values or intervals, such as optimizer.lr=interval(0.001,0.1)")
    return found


class Search:
    """Draws the jobs of a sweep.

    Args:
        place: the sweep; its manifest gets the jobs.
    """

    def __init__(self, place: Place) -> None:
        self.optuna, self.place = installed(), place
        self.objectives = [Objective.of(text) for text in place.sweep.search["objectives"]]
        self.settings = place.sweep.search
        self.ended: dict[int, Any] = {}  # trials that do not change any more
        with composer(own.folders_in_use()):
            self.space = space_of(parsed(place.sweep.overrides))

    def study(self) -> Any:
        """The study as the run folders say it is."""
        study = self.optuna.create_study(directions=["minimize" if o.lower else "maximize" for o in self.objectives])
        for number, job in enumerate(self.place.sweep.jobs):
            if number not in self.ended:
                state = state_of(self.place.folder / job.folder)
                trial = self.trial(job, state)
                if state is None or state.state != "finished":
                    study.add_trial(trial)
                    continue
                self.ended[number] = trial
            study.add_trial(self.ended[number])
        return study

    def trial(self, job: Job, state: RunState | None) -> Any:
        """A job as Optuna sees it."""
        states = self.optuna.trial.TrialState
        space = {key: self.space[key] for key in self.space if key in job.varied}
        params = {key: drawn(kind, job.varied[key], self.optuna) for key, kind in space.items()}
        values = [(state.metrics if state else {}).get(o.tag, math.nan) for o in self.objectives]
        kind = states.RUNNING
        steps: dict[int, float] = {}
        if state is not None and state.state in ("finished", "failed"):
            whole = state.state == "finished" and not any(map(math.isnan, values))
            kind = states.COMPLETE if whole else states.FAIL
        if kind == states.COMPLETE and self.settings.get("pruner"):
            curve = intermediate(self.place.folder / job.folder, Objective.of(self.settings["prune_by"]))
            steps = curve if self.settings["prune_by"] == self.objectives[0].text() else {}
            if state is not None and state.reason.startswith(PRUNED):
                kind = states.PRUNED
        return self.optuna.trial.create_trial(
            state=kind, params=params, distributions=space, intermediate_values=steps,
            values=values if kind == states.COMPLETE else None,
        )  # fmt: skip

    def next(self) -> int | None:
        """Draws one job more and writes it into the manifest; its number, or None where there are enough."""
        jobs = self.place.sweep.jobs
        if len(jobs) >= int(self.settings["n_trials"]):
            return None
        study = self.study()
        for attempt in range(ATTEMPTS):
            study.sampler = self.sampler(len(jobs), attempt)
            job = self.composed(study.ask(self.space).params)
            if all(job.config != other.config for other in jobs):
                check([job], self.place.folder, [other.folder for other in jobs])
                jobs.append(job)
                self.place.sweep.write(self.place.folder)
                return len(jobs) - 1
        print(f"the search ends after {len(jobs)} runs: what it draws has been run before")
        self.settings["n_trials"] = len(jobs)
        self.place.sweep.write(self.place.folder)
        return None

    def sampler(self, number: int, attempt: int) -> Any:
        """Of a draw; one that was drawn before is drawn again at random."""
        samplers, seed = self.optuna.samplers, mix(int(self.settings["seed"]), number, attempt) % (1 << 32)
        if self.settings["sampler"] == "random" or attempt:
            return samplers.RandomSampler(seed=seed)
        many = self.place.sweep.launcher["name"] != "basic"
        startup = int(self.settings["n_startup_trials"])
        return samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=many)

    def composed(self, params: Mapping[str, Any]) -> Job:
        """The job with the values that were drawn."""
        sweep = self.place.sweep
        place = f"hydra.sweep.dir={in_single_quotes(self.place.folder)}"
        varied = {key: written(self.space[key], value) for key, value in params.items()}
        with composer(own.folders_in_use()) as compose:
            given = parsed([*sweep.overrides, place])
            texts = [
                f"{o.get_key_element()}={varied[o.key_or_group]}" if o.key_or_group in varied else str(o.input_line)
                for o in given
            ]
            job, _ = job_of(compose([*texts, *job_options(len(sweep.jobs) + 1, varied, given)]), varied)
        return job

    def keep(self) -> None:
        """Writes the study for Optuna's own tools."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        path = self.place.folder / JOURNAL
        fresh = path.with_name(f".{JOURNAL}.0")
        fresh.unlink(missing_ok=True)
        storage = JournalStorage(JournalFileBackend(str(fresh)))
        kept = self.optuna.create_study(
            study_name=self.place.folder.resolve().name, storage=storage, directions=self.study().directions
        )
        kept.add_trials(self.study().trials)
        fresh.replace(path)


def planned(
    overrides: Sequence[str], config_dirs: Sequence[str], search: Mapping[str, Any]
) -> tuple[dict[str, Any], Path]:
    """The settings of a search with what it improves, and the sweep's folder; all that is wrong is found here.

    Args:
        overrides: as typed.
        config_dirs: the user's own config folders.
        search: the settings of the sweeper.

    Raises:
        ValueError: something is wrong with the search, or with its smallest job.
    """
    with composer(config_dirs) as compose:
        given = parsed(overrides)
        least = {key: str(getattr(kind, "low", None) or kind.choices[0]) for key, kind in space_of(given).items()}
        texts = [
            f"{o.get_key_element()}={least[o.key_or_group]}" if o.key_or_group in least else str(o.input_line)
            for o in given
        ]
        job, folder = job_of(compose([*texts, *job_options(1, least, given)]), least)
    check([job], folder, [])
    by = search["prune_by"]
    objectives = decided(job.config.get("optimize"), job.config, by)
    if search["pruner"]:
        if len(objectives) > 1 and by is None:
            raise ValueError("hydra.sweeper.pruner judges by one metric: name it, hydra.sweeper.prune_by=-val/loss")
        by = by or objectives[0].text()
        every = (job.config.get("callbacks") or {}).get("probing", {}).get("every_n_epochs", 0)
        if "probe/" in by and every in (0, "auto"):
            raise ValueError(f"pruning by {by} needs it during training: add callbacks.probing.every_n_epochs=1")
        if by.lstrip("-").startswith("test/"):
            raise ValueError(
                f"pruning by {by}: the test comes after the training; use hydra.sweeper.prune_by=-val/loss"
            )
    return {**search, "prune_by": by, "objectives": [objective.text() for objective in objectives]}, folder


def written(kind: Any, value: Any) -> str:
    """A value that was drawn, as it is typed: numbers to four digits, which make names of folders."""
    if not isinstance(value, float):
        return str(value)
    return repr(min(max(float(f"{value:.4g}"), kind.low), kind.high))


def drawn(kind: Any, text: str, optuna: Any) -> Any:
    """A value as it was drawn, from the text of it."""
    kinds = optuna.distributions
    if isinstance(kind, kinds.CategoricalDistribution):
        return text
    return int(text) if isinstance(kind, kinds.IntDistribution) else float(text)
