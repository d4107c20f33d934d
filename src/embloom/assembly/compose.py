"""What stands between the command line and a run: Hydra composes, and the run gets plain containers."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from embloom.assembly.groups import CONFIGS, GROUPS
from embloom.startup import quick_imports

# Hydra's options that are followed by a value.
VALUED = frozenset(
    ["--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"]
)
PLAIN_GROUPS = ("trainer", "callbacks", "probe")
T = TypeVar("T")
STARTED = datetime.now()


def register_resolvers() -> None:
    """The names that the configuration computes: a run's folder."""
    OmegaConf.register_new_resolver("embloom.name", run_name, replace=True)
    OmegaConf.register_new_resolver("embloom.stamp", lambda: f"{STARTED:%Y-%m-%d_%H-%M-%S}", replace=True)
    OmegaConf.register_new_resolver("embloom.free", free_folder, replace=True)


def run_name(choices: DictConfig, terms: Sequence[str]) -> str:
    """`<dataset>-<encoder>-<loss>`; several losses are joined with +."""
    return f"{choices.get('dataset')}-{choices.get('encoder')}-{'+'.join(terms)}"


def free_folder(path: str) -> str:
    """The path itself, or with -2, -3, ... where a run began in the same second."""
    candidate, number = path, 1
    while Path(candidate).exists():
        number += 1
        candidate = f"{path}-{number}"
    return candidate


def train(arguments: list[str]) -> None:
    """Composes and trains; once, or for each job of a sweep."""
    if any(a.startswith("--experimental-rerun") for a in arguments):
        raise ValueError("--experimental-rerun reads a pickle, which could execute code: use embloom resume")
    register_resolvers()
    arguments = [spelled(argument) for argument in arguments]
    import_from(config_dir(arguments))
    sys.argv = [sys.argv[0], *options_first(arguments), *sweep_options(arguments)]
    failures: list[Exception] = []

    def kept(config: DictConfig) -> float | None:
        try:
            return job(config)
        except Exception as error:
            # In a sweep Hydra's line says which job it was; of a single one it would only repeat the command.
            if HydraConfig.get().mode is RunMode.MULTIRUN:
                raise
            failures.append(error)
            return None

    hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")(kept)()
    if failures:
        raise failures[0]


def spelled(argument: str) -> str:
    """`init_from=PATH`, as people write it, in full; a path that is there is taken as it is, commas and all."""
    key, _, value = argument.partition("=")
    if key not in ("init_from", "init_from.path") or value.startswith(("{", "'", '"')) or value == "null":
        return argument
    quoted = "'" + value.replace("'", "\\'") + "'"
    return f"init_from.path={quoted if Path(value).expanduser().exists() else value}"


def config_dir(arguments: Sequence[str]) -> str | None:
    """The user's own config folder, if the command line names one."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    return parser.parse_known_args(arguments)[0].config_dir


def import_from(folder: str | None) -> None:
    """Lets targets name classes of Python files in the user's config folder, in further processes too.

    Only a folder named on the command line: one that a run folder remembers could be anybody's.
    """
    if folder is not None:
        place = str(Path(folder).resolve())
        sys.path.append(place)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), place)))


def options_first(arguments: list[str]) -> list[str]:
    """The arguments with Hydra's options before the overrides; its parser takes overrides from one place only, and
    refuses `seed=1 -m loss=mse,triplet`."""
    is_override = [
        "=" in argument and not argument.startswith("-") and before not in VALUED
        for before, argument in zip(["", *arguments], arguments, strict=False)
    ]
    pairs = list(zip(is_override, arguments, strict=True))
    return [a for override, a in pairs if not override] + [a for override, a in pairs if override]


def sweep_options(arguments: list[str]) -> list[str]:
    """In a sweep, has the folders named after what is swept, not after what all its runs share."""
    if not {"-m", "--multirun"} & set(arguments):
        return []
    plain = [a for a in arguments if "=" in a and not a.startswith("-")]
    fixed = [o.key_or_group for o in OverridesParser.create().parse_overrides(plain) if not o.is_sweep_override()]
    quoted = ",".join(f"'{key}'" for key in fixed)
    return [f"hydra.job.config.override_dirname.exclude_keys=[{quoted}]"]


def job(config: DictConfig) -> float | None:
    """One run of Hydra's. Returns the monitored value for sweepers that optimise."""
    chosen = HydraConfig.get()
    folder = shown(Path(chosen.runtime.output_dir))
    names = {group: str(chosen.runtime.choices.get(group)) for group in ("dataset", "encoder")}
    names["loss"] = "+".join(config.loss or [])
    directories = [s.path for s in chosen.runtime.config_sources if s.provider == "command-line"]
    metrics = attempt(config, folder, names, directories)
    return metrics.get("val/loss")


def shown(folder: Path) -> Path:
    """As short as people would type it."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def plain(config: DictConfig) -> dict[str, Any]:
    """The resolved configuration as plain containers.

    Raises:
        ValueError: a value that must be given is missing.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ValueError("\n".join(f"{key} must be given: add {key}=..." for key in missing))
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def attempt(config: DictConfig, folder: Path, names: dict[str, str], directories: list[str]) -> dict[str, float]:
    """Trains; leaves no empty folder behind where nothing began."""
    with quick_imports():
        from embloom.training.run import start

    try:
        container = plain(config)
        return stoppable(folder, lambda: start(container, folder, names, directories))
    except BaseException:
        for place in (folder, *folder.parents[:2]):  # outputs/<name>/<stamp>, made by Hydra
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
        raise


def stoppable(folder: Path, run: Callable[[], T]) -> T:
    """Runs; if a signal stops it, the last line printed is the command that continues it."""
    from embloom.callbacks.checkpoints import StoppedError
    from embloom.training.ddp import is_worker

    try:
        return run()
    except StoppedError as error:
        if not is_worker():
            print(f"{error}; continue with:\nembloom resume {shlex.quote(str(folder))}", flush=True)
        sys.exit(128 + error.signum)


def resume_command(arguments: list[str]) -> None:
    """`embloom resume RUN_FOLDER [overrides]`."""
    parser = argparse.ArgumentParser("embloom resume", description="Continues a run exactly where it stopped.")
    parser.add_argument("run", type=Path, metavar="RUN_FOLDER", help="see embloom runs")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="e.g. trainer.max_epochs=20")
    parser.add_argument("--config-dir", metavar="DIR", help="your own configs and Python files, as in training")
    chosen = parser.parse_intermixed_args(arguments)
    resume(chosen.run, chosen.overrides, chosen.config_dir)


def resume(folder: Path, overrides: list[str], own: str | None = None) -> None:
    """Continues a run, with settings of the trainer and the like changed.

    Args:
        folder: the run folder.
        overrides: what changes.
        own: the user's config folder.

    Raises:
        ValueError: it is no run folder, or an override would make it another run.
    """
    with quick_imports():
        from embloom.training.run import resume as run
    from embloom.files.run_folder import CONFIG, read_state

    state = read_state(folder)
    import_from(own)
    config = OmegaConf.load(folder / CONFIG)
    assert isinstance(config, DictConfig)
    OmegaConf.set_struct(config, True)
    changes: dict[str, Any] = {}
    for override in OverridesParser.create().parse_overrides(overrides):
        key, value = override.key_or_group, override.value()
        group, _, rest = key.partition(".")
        check_resumable(key, group)
        if not rest and group in GROUPS:
            with open_dict(config):
                config[group] = group_config(group, value, [own] if own else state.config_dirs)
        elif override.is_add():
            OmegaConf.update(config, key, value, force_add=True)
        else:
            OmegaConf.update(config, key, value)
        if group == "optimizer":
            changes[rest] = tuple(value) if isinstance(value, list) else value
    stoppable(folder, lambda: run(plain(config), folder, changes))


def check_resumable(key: str, group: str) -> None:
    """Refuses what a checkpoint cannot be continued with.

    Raises:
        ValueError: the override changes the model, the data or what is drawn.
    """
    data = key in ("dataset.root", "dataset.path", "dataset.workers", "dataset.resident", "dataset.stream")
    values = group == "optimizer" and "." in key and not key.endswith("_target_")
    if not (group in PLAIN_GROUPS or data or values or key == "evaluate" or key.endswith(".weight")):
        raise ValueError(
            f"{key} cannot be changed on a resume, since the run would no longer be the same; what can: "
            "trainer, callbacks, probe, evaluate, optimizer.lr and the like, loss weights, dataset.root. "
            "For anything else start a new run with embloom train"
        )


def group_config(group: str, option: Any, config_dirs: list[str]) -> Any:
    """The configuration of one option of a group (`trainer=gpu`), from Hydra."""
    text = f"[{','.join(option)}]" if isinstance(option, list) else option
    return composed([f"{group}={text}"], config_dirs)[group]


def composed(overrides: list[str], config_dirs: list[str]) -> DictConfig:
    """What Hydra makes of the overrides."""
    register_resolvers()
    GlobalHydra.instance().clear()
    path = [f"hydra.searchpath=[{','.join(f'file://{d}' for d in config_dirs)}]"] if config_dirs else []
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return hydra.compose("train", overrides=[*map(spelled, overrides), *path])


def default_config() -> dict[str, Any]:
    """The default configuration, unresolved, for suggestions."""
    container = OmegaConf.to_container(composed([], []))
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def worker(arguments: list[str]) -> None:
    """A further process of a training in several; the first one starts the others with the run folder."""
    with quick_imports():
        from embloom.training.run import join

    folder = Path(arguments[0])
    stoppable(folder, lambda: join(folder))
