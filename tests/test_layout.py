"""The tree is the product: imports only descend, none make a circle, and every file has its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "embloom"
# From the ground up: a room imports from itself and from what stands before it.
ROOMS = (
    "seeding", "threads", "startup", "files", "assembly", "errors", "encoders", "losses", "optim", "artifact", "data",
    "probes", "callbacks", "training", "comparison", "derive", "sweeps", "serving", "commands", "cli", "__main__",
)  # fmt: skip
MODULES = {
    ".".join(("embloom", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in SOURCE.rglob("*.py")
}


def imported(path: Path) -> Iterator[str]:
    """The modules of embloom's that a file imports, wherever in it it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("embloom"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def room(module: str) -> str | None:
    """The room of a module; None for the package itself, which only hands out what the rooms hold."""
    return module.split(".")[1] if "." in module else None


def test_every_file_stands_in_a_room() -> None:
    assert {room(module) for module in MODULES} - {None} == set(ROOMS)
    assert len([path for path in SOURCE.iterdir() if path.is_file() and path.name != "py.typed"]) <= 7


@pytest.mark.parametrize("module", [m for m in MODULES if room(m)])
def test_imports_descend(module: str) -> None:
    own = ROOMS.index(str(room(module)))
    above = [name for name in imported(MODULES[module]) if room(name) and ROOMS.index(str(room(name))) > own]
    assert not above


def test_imports_make_no_circle() -> None:
    graph = {module: {name for name in imported(path) if name != module} for module, path in MODULES.items()}
    del graph["embloom"]
    while free := [module for module, names in graph.items() if not names & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports a test file by its bare name: a second one of that name is not collected."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def test_files_and_functions_are_short() -> None:
    long = {}
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > 320:
            long[module] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
                if size > 60:
                    long[f"{module}.{node.name}"] = size
    assert not long
