"""Parts of the user's own: which code may be imported, and where it is found.

A configuration may come from anybody: it lies in every run folder and names classes. So what a file says is never
reason enough to import anything but embloom's and torch's modules. What the user names for a command is: the folder
given by `--config-dir` (or `config_dir=`), with the Python files in it and the modules that its yaml files name, and
classes that are handed over in Python (`parts=`).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

HANDED = "parts:"  # what the target of a class that was handed over begins with
VARIABLE = "EMBLOOM_CONFIG_DIRS"  # for further processes of the same run
ALWAYS = ("embloom", "torch")
MOST_ALIASES = 20
IMPORTED = ("_target_", "tokenizer")  # settings that name a class


class Trust:
    """What may be imported at present.

    Attributes:
        folders: those that the user named, found first.
        modules: the names of top-level modules that may be imported.
        classes: target -> class that was handed over.
        anything: whatever can be imported may be: the user has composed the configuration.
    """

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.files: set[str] = set()
        self.modules: set[str] = set(ALWAYS)
        self.classes: dict[str, type] = {}
        self.anything = False

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Python's protocol for finders: a file of the user's goes before any other of its name, such as one that lies
        in the current folder."""
        return PathFinder.find_spec(name, self.folders) if path is None and name in self.files else None

    def module(self, name: str) -> ModuleType:
        """Imports a module that may be.

        Raises:
            ValueError: nobody who may has named it.
        """
        root = name.partition(".")[0]
        if not self.anything and root not in self.modules:
            raise ValueError(
                f"{name} is neither embloom's nor named by you, and no file's word is enough to import it: "
                "if it is yours, add --config-dir FOLDER (in Python config_dir=...), the folder of its yaml"
            )
        if root in self.files and not self.mine(sys.modules.get(root)):
            for loaded in [key for key in sys.modules if key.partition(".")[0] == root]:
                del sys.modules[loaded]  # another folder's file of the same name
        return importlib.import_module(name)

    def mine(self, module: ModuleType | None) -> bool:
        """Whether a module lies in one of the folders."""
        place = Path(getattr(module, "__file__", None) or "/").resolve()
        return any(place.is_relative_to(folder) for folder in self.folders)


TRUST = Trust()


def folders_in_use() -> list[str]:
    """The folders that the user has named, absolute."""
    return list(TRUST.folders)


@contextmanager
def parts(
    folders: Sequence[str | Path] = (), classes: Mapping[str, type] | None = None, anything: bool = False
) -> Iterator[None]:
    """Lets targets name what the user brings, while the context lasts.

    Args:
        folders: with yaml files in groups (`loss/mine.yaml`) and Python files.
        classes: target (`parts:encoder`) -> class.
        anything: see `Trust`.

    Raises:
        ValueError: there is no such folder.
    """
    before = dict(vars(TRUST))
    named = [*TRUST.folders, *(resolved(folder) for folder in folders)]
    TRUST.folders = list(dict.fromkeys(named))
    TRUST.files = {name for folder in TRUST.folders for name in python_files(Path(folder))}
    TRUST.modules = {*ALWAYS, *TRUST.files, *(name for folder in TRUST.folders for name in targets(Path(folder)))}
    TRUST.classes = {**TRUST.classes, **(classes or {})}
    TRUST.anything = TRUST.anything or anything
    sys.meta_path.insert(0, TRUST)
    try:
        yield
    finally:
        sys.meta_path.remove(TRUST)
        vars(TRUST).update(before)


def resolved(folder: str | Path) -> str:
    """The folder's absolute path.

    Raises:
        ValueError: there is none.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise ValueError(f"--config-dir {folder}: there is no such folder")
    return str(place.resolve())


def inherited_folders() -> list[str]:
    """The folders that the process which started this one has named."""
    return [folder for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]


def python_files(folder: Path) -> set[str]:
    """The modules and packages that lie directly in a folder; none takes the place of the standard library's."""
    found = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    return {name for name in found if name.isidentifier()} - sys.stdlib_module_names - set(ALWAYS)


def targets(folder: Path) -> set[str]:
    """The top-level modules that the yaml files of a folder's groups name."""
    import yaml

    found: set[str] = set()
    for path in [*folder.glob("*.yaml"), *folder.glob("*/*.yaml")]:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
            if "&" in text and sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)) > MOST_ALIASES:
                raise ValueError(
                    f"{path} has more than {MOST_ALIASES} aliases (*name), which can stand for billions of values: "
                    "write them out"
                )
            found |= set(modules_named(yaml.load(text, yaml.BaseLoader)))
        except (yaml.YAMLError, RecursionError, TypeError):
            continue  # Hydra says what is wrong with it, where it is used
    return found


def modules_named(node: Any) -> Iterator[str]:
    """The top-level module of everything that a yaml file would have imported."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in IMPORTED and isinstance(value, str):
                yield value.strip().partition(".")[0]
            else:
                yield from modules_named(value)
    elif isinstance(node, list):
        for value in node:
            yield from modules_named(value)
