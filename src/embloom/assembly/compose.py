"""Overrides -> configuration, by Hydra; nothing else in embloom composes."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from embloom.assembly.groups import CONFIGS, GROUPS
from embloom.assembly.own import HANDED
from embloom.files import naming

# Hydra's options that are followed by a value.
VALUED = frozenset(
    ["--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"]
)
# Groups of which several options are chosen, each under a name of its own.
LISTS = ("loss", "callbacks", "probe", "logger")
# In a value: what is in quotes, or what stands between the marks of lists, calls and sweeps, or of mappings.
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|"""
TEXTS = re.compile(QUOTED + r"""[^\s,\[\]()'"](?:[^,\[\]()'"]*[^\s,\[\]()'"])?""")
IN_MAPPING = re.compile(QUOTED + r"""[^\s,\[\]{}()'":](?:[^,\[\]{}()'":]*[^\s,\[\]{}()'":])?""")
STARTED = datetime.now()


@dataclass
class Composed:
    """A run as it was asked for.

    Attributes:
        config: the whole configuration, plain containers.
        folder: the run folder that it names.
        names: `dataset`, `encoder` and `loss`, as they are called in lists.
        config_dirs: the user's own config folders.
        handed: the groups whose classes were handed over in Python.
    """

    config: dict[str, Any]
    folder: Path
    names: dict[str, str]
    config_dirs: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)


def register_resolvers() -> None:
    """The names that the configuration computes: a run's folder."""
    OmegaConf.register_new_resolver("embloom.name", run_name, replace=True)
    OmegaConf.register_new_resolver("embloom.stamp", stamp, replace=True)
    OmegaConf.register_new_resolver("embloom.free", free_folder, replace=True)
    OmegaConf.register_new_resolver("embloom.job", naming.job_folder, replace=True)


def stamp() -> str:
    """When this process began."""
    return f"{STARTED:%Y-%m-%d_%H-%M-%S}"


def run_name(choices: DictConfig, terms: Sequence[str], overrides: Sequence[str]) -> str:
    """See `naming.run_folder`; several losses are joined with +."""
    names = {group: str(choices.get(group)) for group in ("dataset", "encoder")}
    return naming.run_folder({**names, "loss": "+".join(terms)}, overrides, stamp())


def free_folder(path: str) -> str:
    """The path itself, or with -2, -3, ... where a run began in the same second."""
    candidate, number = path, 1
    while Path(candidate).exists():
        number += 1
        candidate = f"{path}-{number}"
    return candidate


def spelled(argument: str) -> str:
    """An override as Hydra reads it: letters that are no ASCII, and texts with =, in quotes, and `init_from=PATH`, as
    people write it, in full, as is `loss.nested`; a path that is there is taken as it is, commas and all."""
    key, _, value = argument.partition("=")
    if key == "loss.nested":  # beside the terms, of which it is none
        key, argument = "nested", f"nested={value}"
    if key == "dataset.features":  # of any dataset, whose yaml need not have it
        return f"++{key}={in_quotes(value)}" if value else argument
    if key not in ("init_from", "init_from.path") or value.startswith(("{", "'", '"')) or value == "null":
        return argument if key.startswith("-") else f"{key}={in_quotes(value)}" if value else argument
    quoted = "'" + value.replace("'", "\\'") + "'"
    return f"init_from.path={quoted if Path(value).expanduser().exists() else in_quotes(value)}"


def in_quotes(value: str) -> str:
    """A value, lists and sweeps too, in which each text that Hydra's grammar does not know is in quotes."""

    # The names of runs have =, as have the parameters of Hydra's functions: sort(3,1,reverse=true).
    equals = "=" in value and not re.search(r"[({$]", value)

    def one(match: re.Match[str]) -> str:
        text = match[0]
        known = text.isascii() and not (equals and "=" in text)
        return text if known or text[0] in "'\"" else f"'{text}'"

    return value if value.isascii() and not equals else (IN_MAPPING if "{" in value else TEXTS).sub(one, value)


def config_dir(arguments: Sequence[str]) -> str | None:
    """The user's own config folder, if the command line names one."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    return parser.parse_known_args(arguments)[0].config_dir


def options_first(arguments: list[str]) -> list[str]:
    """The arguments with Hydra's options before the overrides; its parser takes overrides from one place only, and
    refuses `seed=1 -m loss=mse,triplet`."""
    is_override = [
        "=" in argument and not argument.startswith("-") and before not in VALUED
        for before, argument in zip(["", *arguments], arguments, strict=False)
    ]
    pairs = list(zip(is_override, arguments, strict=True))
    return [a for override, a in pairs if not override] + [a for override, a in pairs if override]


def check_run_dir(folder: str) -> None:
    """Raises:
    ValueError: it is empty, which would be the current folder.
    """
    if not folder:
        raise ValueError("hydra.run.dir= is empty: name a folder, or leave it out")


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


def composed(overrides: Sequence[str], config_dirs: Sequence[str]) -> DictConfig:
    """What Hydra makes of the overrides."""
    config = _compose(overrides, config_dirs, False)
    return config


def _compose(overrides: Sequence[str], config_dirs: Sequence[str], hydra_too: bool) -> DictConfig:
    register_resolvers()
    GlobalHydra.instance().clear()
    given = [*map(spelled, overrides), *searchpath(config_dirs)]
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return hydra.compose("train", overrides=given, return_hydra_config=hydra_too)


def searchpath(config_dirs: Sequence[str]) -> list[str]:
    """The override that has Hydra look in the user's own config folders."""
    folders = ",".join("'file://" + folder.replace("'", "\\'") + "'" for folder in config_dirs)
    return [f"hydra.searchpath=[{folders}]"] if config_dirs else []


@contextmanager
def hydra_in_use(config: DictConfig) -> Iterator[None]:
    """Lets interpolations in Hydra's node of a configuration be resolved."""
    before, HydraConfig.instance().cfg = HydraConfig.instance().cfg, None
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def without_hydra(config: DictConfig) -> DictConfig:
    """The configuration of the run alone."""
    with open_dict(config):
        del config["hydra"]
    return config


def asked_for(
    overrides: Sequence[str], config_dirs: Sequence[str], handed: Mapping[str, Any] | None = None
) -> tuple[Composed, dict[str, type]]:
    """A run that is asked for in Python, and the classes handed over for it by target.

    Args:
        overrides: as on the command line.
        config_dirs: the user's own config folders.
        handed: group -> class, or for losses, callbacks and probes name -> class.

    Raises:
        ValueError: a group does not take classes, or what is handed over is none.
    """
    chosen, classes = handed_over(handed or {})
    config = _compose([*chosen, *overrides], config_dirs, True)
    with hydra_in_use(config):
        check_run_dir(config.hydra.run.dir)
        folder = Path(str(config.hydra.run.dir))
        choices = config.hydra.runtime.choices
        names = {group: str(choices.get(group)) for group in ("dataset", "encoder")}
    config = without_hydra(config)
    names["loss"] = "+".join(config.loss or [])
    groups = list(handed or {})
    return Composed(plain(config), folder, names, [str(d) for d in config_dirs], groups), classes


def handed_over(handed: Mapping[str, Any]) -> tuple[list[str], dict[str, type]]:
    """Makes options of classes: the overrides that choose them, and the classes by target.

    An option's keys are the parameters of the constructor that have plain defaults, so that overrides reach them.
    """
    overrides, classes = [], {}
    for group, given in handed.items():
        if group not in GROUPS or group in ("experiment", "trainer"):
            raise ValueError(f"parts={{'{group}': ...}}: it takes {', '.join(g for g in GROUPS if g[-1] != 't')}")
        if (group in LISTS) != isinstance(given, Mapping):
            kind = "a mapping, name -> class" if group in LISTS else "a class"
            raise ValueError(f"parts={{'{group}': ...}}: it takes {kind}")
        named = dict(given) if isinstance(given, Mapping) else {snake(getattr(given, "__name__", "x")): given}
        for name, cls in named.items():
            if not isinstance(cls, type):
                raise ValueError(f"parts={{'{group}': ...}}: {name} is no class but {cls!r}")
            target = f"{HANDED}{group}.{name}"
            classes[target] = cls
            node = {"_target_": target, **plain_defaults(cls)}
            if group in LISTS:
                node |= {"weight": 1.0, "of": None} if group == "loss" else {}
                ConfigStore.instance().store(group=group, name=name, node={name: node})
            else:
                node |= {"of": None} if group == "encoder" else {}
                ConfigStore.instance().store(group=group, name=name, node=node)
        options = ",".join(named)
        overrides.append(f"{group}=[{options}]" if group in LISTS else f"{group}={options}")
    return overrides, classes


def plain_defaults(cls: type) -> dict[str, Any]:
    """The constructor's parameters that a configuration can hold: `???` where there is no default."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or name == "seed":
            continue  # the run's seed is supplied
        if parameter.default is parameter.empty:
            if name == "batch_size":
                found[name] = 64
        elif parameter.default is None or isinstance(parameter.default, (bool, int, float, str, list, dict)):
            found[name] = parameter.default
    return found


def snake(name: str) -> str:
    """`CosineToClass` -> `cosine_to_class`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def group_config(group: str, option: Any, config_dirs: Sequence[str]) -> Any:
    """The configuration of one option of a group (`trainer=gpu`), from Hydra."""
    text = f"[{','.join(option)}]" if isinstance(option, list) else option
    return composed([f"{group}={text}"], config_dirs)[group]


def known_config(arguments: Sequence[str]) -> dict[str, Any]:
    """The configuration of the options that the arguments choose, unresolved, for suggestions."""
    own = config_dir(arguments)
    chosen = [a for a in arguments if a.partition("=")[0] in GROUPS and "=" in a]
    try:
        config = composed(chosen, [str(Path(own).resolve())] if own else [])
    except Exception:  # one of them is a mistake too
        config = composed([], [])
    container = OmegaConf.to_container(config)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
