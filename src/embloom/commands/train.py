"""`embloom train` and `embloom resume`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from embloom.assembly import own
from embloom.assembly.compose import (
    LISTS,
    Composed,
    check_run_dir,
    config_dir,
    group_config,
    options_first,
    plain,
    register_resolvers,
    spelled,
)
from embloom.assembly.groups import CONFIGS, GROUPS
from embloom.commands import sweep
from embloom.commands.opening import check_parts_named, own_option
from embloom.files.run_config import read_config
from embloom.files.run_folder import tidy
from embloom.files.run_state import CONFIG, RunState, read_state, resume_command, shown
from embloom.files.sweep import is_sweep
from embloom.startup import quick_imports
from embloom.training.stop_signals import stoppable

CHANGEABLE = ("trainer", "callbacks", "probe", "logger")
T = TypeVar("T")


def train(arguments: list[str]) -> None:
    """`embloom train`: composes and trains; once, or for each job of a sweep."""
    if any(a.startswith("--experimental-rerun") for a in arguments):
        raise ValueError("--experimental-rerun reads a pickle, which could execute code: use embloom resume")
    if sweep.is_sweeping(arguments):
        return sweep.start(arguments)
    register_resolvers()
    typed, arguments = arguments, [spelled(argument) for argument in arguments]
    folder = config_dir(arguments)
    sys.argv = [sys.argv[0], *options_first(arguments)]
    failures: list[Exception] = []
    made: list[Path] = []

    def kept(config: DictConfig) -> None:
        try:
            job(config, made)
        except Exception as error:  # of which Hydra would only repeat the command
            failures.append(error)

    def told() -> str:
        if made:
            return f"complete: {', '.join(map(str, made))}"
        return f"nothing was trained yet; start again with:\n{shlex.join(['embloom', 'train', *typed])}"

    # The user has typed all of the configuration, or keeps it in the folder: what it names may be imported.
    with own.parts([folder] if folder else [], anything=True):
        stoppable(hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")(kept), told)
    if failures:
        raise failures[0]


def job(config: DictConfig, made: list[Path]) -> None:
    """The run that Hydra has composed.

    Args:
        config: of the run.
        made: where its folder is added once it is complete.
    """
    chosen = HydraConfig.get()
    if chosen.mode is not RunMode.RUN:
        raise ValueError("hydra.mode=MULTIRUN: a sweep begins with embloom train -m")
    check_run_dir(chosen.run.dir)
    folder = shown(Path(chosen.runtime.output_dir))
    names = {group: str(chosen.runtime.choices.get(group)) for group in ("dataset", "encoder")}
    names["loss"] = "+".join(config.loss or [])
    automatic = not any("hydra.run.dir" in o for o in chosen.overrides.hydra)
    try:
        asked = Composed(plain(config), folder, names, own.folders_in_use())
        with quick_imports():
            from embloom.training.run import start
        made.append(start(asked, automatic))
    finally:
        tidy(folder)  # which Hydra made before this


def resume(arguments: list[str]) -> None:
    """`embloom resume RUN_FOLDER [overrides]`, or a sweep's folder."""
    about = "Continues a run, or a sweep, exactly where it stopped."
    parser = argparse.ArgumentParser("embloom resume", description=about)
    parser.add_argument("run", type=Path, nargs="?", metavar="FOLDER", help="of a run or a sweep; see embloom runs")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="of a run, e.g. trainer.max_epochs=20; of a sweep, more values: seed=3,4",
    )
    parser.add_argument("--failed", action="store_true", help="of a sweep: also run again what failed")
    parser.add_argument("--accept-changed-data", action="store_true", help="go on though the data has changed")
    own_option(parser)
    chosen = parser.parse_intermixed_args(arguments)
    if chosen.run is None:
        raise ValueError("name the run to continue: embloom resume RUN_FOLDER; see them with embloom runs")
    folders = [chosen.config_dir] if chosen.config_dir else []
    if is_sweep(chosen.run):
        if chosen.accept_changed_data:
            raise ValueError("--accept-changed-data is for a run: continue the runs of this sweep one by one")
        return sweep.resume(chosen.run, chosen.overrides, folders, chosen.failed)
    if chosen.failed:
        raise ValueError(f"--failed is for a sweep, and {chosen.run} is none; a run is continued without it")
    again = " ".join([resume_command(chosen.run, folders), *map(shlex.quote, chosen.overrides)])
    stoppable(
        lambda: resumed(chosen.run, chosen.overrides, folders, {}, chosen.accept_changed_data),
        lambda: f"continue with:\n{again}",
    )


def resumed(
    folder: Path,
    overrides: Sequence[str],
    config_dirs: Sequence[str | Path],
    handed: Mapping[str, Any],
    accept_changed_data: bool = False,
) -> Path:
    """Continues a run, with settings of the trainer and the like changed.

    Args:
        folder: the run folder.
        overrides: what changes.
        config_dirs: the user's own config folders.
        handed: classes of the user's, as `asked_for` takes them.
        accept_changed_data: go on though the data has changed.

    Raises:
        ValueError: it is no run folder, its parts were not named, or an override would make it another run.
    """
    with quick_imports():
        from embloom.training.run import resume as run

    state = read_state(folder)
    check_parts_named(folder, state, config_dirs, handed)
    classes = {
        f"{own.HANDED}{group}.{name}": cls
        for group, given in handed.items()
        for name, cls in (given.items() if group in LISTS else [(getattr(state, group, group), given)])
    }
    with own.parts(config_dirs, classes):
        config, changes = changed(stored_config(folder), state, overrides, own.folders_in_use())
        return run(config, folder, changes, accept_changed_data)


def stored_config(folder: Path) -> DictConfig:
    """The configuration of a run folder, for overrides.

    Raises:
        ValueError: it cannot be read.
    """
    content = read_config(folder)
    try:
        config = OmegaConf.create(content)
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise ValueError(f"{folder / CONFIG} cannot be read: {str(error).splitlines()[0]}") from error
    OmegaConf.set_struct(config, True)
    return config


def changed(
    config: DictConfig, state: RunState, overrides: Sequence[str], config_dirs: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration with what is changed for a resume, and those of the changes that are the optimizer's.

    Raises:
        ValueError: an override would make it another run.
    """
    changes: dict[str, Any] = {}
    for override in OverridesParser.create().parse_overrides([*map(spelled, overrides)]):
        key, value = override.key_or_group, override.value()
        group, _, rest = key.partition(".")
        check_resumable(key, group, state)
        if not rest and group in GROUPS:
            with open_dict(config):
                config[group] = group_config(group, value, config_dirs)
        elif override.is_add():
            OmegaConf.update(config, key, value, force_add=True)
        else:
            OmegaConf.update(config, key, value)
        if group == "optimizer":
            changes[rest] = tuple(value) if isinstance(value, list) else value
    return plain(config), changes


def check_resumable(key: str, group: str, state: RunState) -> None:
    """Refuses what a checkpoint cannot be continued with.

    Raises:
        ValueError: the override changes the model, the data or what is random.
    """
    free = [*state.data_options.get("locations", []), *state.data_options.get("no_effect", [])]
    data = key.removeprefix("dataset.") in free and group == "dataset"
    values = group == "optimizer" and "." in key and not key.endswith("_target_")
    weight = group == "loss" and key.endswith(".weight")
    if not (group in CHANGEABLE or data or values or key == "evaluate" or weight):
        raise ValueError(
            f"{key} cannot be changed on a resume, since the run would no longer be the same; what can: "
            "trainer, callbacks, probe, logger, evaluate, optimizer.lr and the like, loss weights, "
            f"{', '.join(f'dataset.{name}' for name in free) or 'nothing of the dataset'}. "
            "For anything else start a new run with embloom train"
        )


def worker(arguments: list[str]) -> None:
    """A further process of a training in several; the first one starts the others with the run folder."""
    with quick_imports():
        from embloom.training.run import join

    # The first process has built the same configuration already.
    with own.parts(own.inherited_folders(), anything=True):
        stoppable(lambda: join(Path(arguments[0])), lambda: "the first process says how to go on")
