"""From what was typed behind `-m` to jobs: every combination, composed and checked before the first begins."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from embloom.assembly.checks import problems
from embloom.assembly.compose import hydra_in_use, plain, register_resolvers, searchpath, spelled, without_hydra
from embloom.assembly.groups import CONFIGS
from embloom.files.run_state import is_text
from embloom.files.sweep import Job, Sweep, is_inside

Combination = tuple[list[str], dict[str, str]]  # overrides of a job, and those of them that vary: key -> value
Compose = Callable[[Sequence[str]], DictConfig]


@contextmanager
def composer(config_dirs: Sequence[str]) -> Iterator[Compose]:
    """Composes job after job; overrides -> the configuration with Hydra's own node."""
    register_resolvers()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        yield lambda overrides: hydra.compose(
            "train", overrides=[*overrides, *searchpath(config_dirs)], return_hydra_config=True
        )


def parsed(overrides: Sequence[str]) -> list[Override]:
    """Overrides as Hydra reads them; to be called inside a `composer`, which knows what `glob` may choose."""
    found: list[Override] = OverridesParser.create(
        config_loader=GlobalHydra.instance().config_loader() if GlobalHydra.instance().is_initialized() else None
    ).parse_overrides([*map(spelled, overrides)])
    return found


def combinations(overrides: Sequence[Override]) -> list[Combination]:
    """Every combination of the values that are swept, the last varying fastest.

    Raises:
        ValueError: one is an interval, which only a search can draw from.
    """
    parts: list[list[tuple[str, dict[str, str]]]] = []
    for override in overrides:
        if not override.is_sweep_override():
            parts.append([(str(override.input_line), {})])
        else:
            key = override.get_key_element()
            parts.append([(f"{key}={value}", {override.key_or_group: value}) for value in values_of(override)])
    return [
        ([text for text, _ in combination], {key: value for _, one in combination for key, value in one.items()})
        for combination in itertools.product(*parts)
    ]


def job_options(number: int, varied: Iterable[str], overrides: Sequence[Override]) -> list[str]:
    """What tells a job's folder from the others': its number, and what varies, not what all share."""
    fixed = [override.key_or_group for override in overrides if override.key_or_group not in set(varied)]
    quoted = ",".join(f"'{key}'" for key in fixed)
    return [f"hydra.job.num={number}", f"hydra.job.config.override_dirname.exclude_keys=[{quoted}]"]


def job_of(config: DictConfig, varied: Mapping[str, str]) -> tuple[Job, Path]:
    """A job from what was composed for it, and the sweep's folder.

    Raises:
        ValueError: something must be given, or its folder is none inside the sweep's.
    """
    with hydra_in_use(config):
        if not str(config.hydra.sweep.dir):
            raise ValueError("hydra.sweep.dir= is empty: name a folder, or leave it out")
        sweep, place = Path(str(config.hydra.sweep.dir)), str(config.hydra.sweep.subdir)
        choices = config.hydra.runtime.choices
        names = {group: str(choices.get(group)) for group in ("dataset", "encoder")}
        names["loss"] = "+".join(config.loss or [])
    if not is_inside(place) or not is_text(place):
        raise ValueError(f"hydra.sweep.subdir={place}: it must be a folder inside the sweep's")
    return Job(place, dict(varied), names, plain(without_hydra(config))), sweep


def all_jobs(
    overrides: Sequence[str], config_dirs: Sequence[str], there: Sequence[Job] = (), folder: Path | None = None
) -> tuple[list[Job], Path]:
    """The jobs of a sweep over every combination, and its folder.

    Args:
        overrides: as typed.
        config_dirs: the user's own config folders.
        there: jobs that the sweep has already, which are left out.
        folder: the sweep's, where it is there already.

    Raises:
        ValueError: with all that is wrong with any of them, a line each.
    """
    found, place = list(there), folder
    settled = [f"hydra.sweep.dir={in_single_quotes(folder)}"] if folder else []
    with composer(config_dirs) as compose:
        given = parsed([*overrides, *settled])
        for texts, varied in combinations(given):
            config = compose([*texts, *job_options(len(found) + 1, varied, given)])
            job, at = job_of(config, varied)
            place = place or at
            if not any(job.config == other.config for other in found):
                found.append(job)
    assert place is not None
    jobs = found[len(there) :]
    check(jobs, place, [job.folder for job in there])
    return jobs, place


def check(jobs: Sequence[Job], folder: Path, taken: Sequence[str]) -> None:
    """Raises:
    ValueError: with all that is wrong with the configurations, a line each, once.
    """
    wrong: dict[str, str] = {}
    places = list(taken)
    for job in jobs:
        for problem in problems(job.config, folder):
            wrong.setdefault(problem, job.label())
        if job.folder in places:
            wrong[f"two runs would have the folder {job.folder}: hydra.sweep.subdir must tell them apart"] = ""
        places.append(job.folder)
    if wrong:
        raise ValueError("\n".join(f"{what} ({where})" if where else what for what, where in wrong.items()))


def extended(sweep: Sweep, overrides: Sequence[str]) -> list[str]:
    """What the sweep was asked for, with more values; to be called inside a `composer`.

    Raises:
        ValueError: a single value of what it does not vary is another sweep, or what it was asked for cannot be
            composed again.
    """
    if any("${" in text for text in sweep.overrides):
        raise ValueError("this sweep computes settings (${...}), which no file's word is enough for: begin another")
    there = parsed(sweep.overrides)
    given = parsed(overrides)
    more = {override.key_or_group: values_of(override) for override in given}
    swept = [override.key_or_group for override in there if override.is_sweep_override()]
    for override in given:
        if not override.is_sweep_override() and override.key_or_group not in swept:
            raise ValueError(
                f"{override.input_line} is no more of this sweep, which varies {', '.join(swept) or 'nothing'}: name "
                "all values that are to be run (seed=0,1,2), or continue one run by embloom resume RUN_FOLDER"
            )
    typed = {override.key_or_group for override in there}
    return [
        f"{override.get_key_element()}={','.join(dict.fromkeys(values_of(override) + more[override.key_or_group]))}"
        if override.key_or_group in more
        else text
        for override, text in zip(there, sweep.overrides, strict=True)
    ] + [str(override.input_line) for override in given if override.key_or_group not in typed]


def values_of(override: Override) -> list[str]:
    """The values that an override sweeps over, or its only one.

    Raises:
        ValueError: there is no end of them.
    """
    if not override.is_sweep_override():
        return [str(override.get_value_element_as_str())]
    if not override.is_discrete_sweep():
        raise ValueError(f"{override.input_line}: an interval is drawn from by a search: add hydra/sweeper=optuna")
    return [str(value) for value in override.sweep_string_iterator()]


PRUNERS = ("halving", "median")
LAUNCHERS, SWEEPERS = ("basic", "joblib", "submitit_slurm", "submitit_local"), ("basic", "optuna")


def settings(overrides: Sequence[str], config_dirs: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """How jobs are run, and how they are searched for: `name`, and the settings of that launcher and that sweeper.

    Args:
        overrides: as typed; what they vary is left out.
        config_dirs: the user's own config folders.

    Raises:
        ValueError: there is no such launcher, or a setting is wrong.
    """
    with composer(config_dirs) as compose:
        fixed = [override for override in parsed(overrides) if override.key_or_group.startswith("hydra")]
        config = compose([str(override.input_line) for override in fixed])
    found = {}
    with hydra_in_use(config):
        for node, known in {"launcher": LAUNCHERS, "sweeper": SWEEPERS}.items():
            name = str(config.hydra.runtime.choices.get(f"hydra/{node}"))
            if name not in known:
                raise ValueError(f"hydra/{node}={name}: embloom's own sweeps know {', '.join(known)}")
            inner = OmegaConf.to_container(config.hydra[node], resolve=True)
            assert isinstance(inner, dict)
            found[node] = {"name": name, **{str(k): v for k, v in inner.items() if not str(k).startswith("_")}}
    check_launcher(found["launcher"])
    if found["sweeper"]["name"] == "optuna":
        check_search(found["sweeper"])
    return found["launcher"], found["sweeper"]


def check_launcher(launcher: Mapping[str, Any]) -> None:
    """Raises:
    ValueError: a setting is out of range.
    """
    count = launcher.get("n_jobs", 1)
    if isinstance(count, bool) or not isinstance(count, int) or (count < 1 and count != -1):
        raise ValueError(f"hydra.launcher.n_jobs={count}: it must be a positive integer, or -1 for one a core")


def check_search(search: Mapping[str, Any]) -> None:
    """Raises:
    ValueError: a setting of the search is out of range.
    """
    for key, least in {"n_trials": 1, "seed": 0, "n_startup_trials": 0}.items():
        value = search.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"hydra.sweeper.{key}={value}: it must be an integer of at least {least}")
    for key, known in {"sampler": ("tpe", "random"), "pruner": (None, *PRUNERS)}.items():
        if search.get(key) not in known:
            names = ", ".join("null" if name is None else name for name in known)
            raise ValueError(f"hydra.sweeper.{key}={search.get(key)}: it must be one of {names}")
    by = search.get("prune_by")
    if by is not None and not isinstance(by, str):
        raise ValueError(f"hydra.sweeper.prune_by={by}: name a metric, such as -val/loss")
    if by is not None and search["pruner"] is None:
        raise ValueError("hydra.sweeper.prune_by needs hydra.sweeper.pruner=halving or median")


def in_single_quotes(folder: Path) -> str:
    """A path as a value of an override."""
    return "'" + re.sub(r"(['\\])", r"\\\1", str(folder)) + "'"
