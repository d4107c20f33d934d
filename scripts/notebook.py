"""Executes docs/first_hour.ipynb in an empty folder and stores what it shows: python scripts/notebook.py

With --check nothing is stored: exit status 1 and the difference, where what is stored is not what it shows now.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "first_hour"))
from screen import shown  # noqa: E402

NOTEBOOK = ROOT / "docs" / "first_hour.ipynb"
SECONDS = 600  # a cell, on a busy machine
# What depends on the machine: seconds, and things a second.
CLOCK = re.compile(r"\d[\d,.]*( ?k)? (?:\w+/s|m?s|min)\b")
# How often probes run while a model trains is a matter of the time that they take.
PROBES = re.compile(r"probes while it trains,.*?(?=\nepoch )", re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+")
NEAR = 0.05  # figures of small trainings, on other processors


def executed(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the outputs of now, from an empty folder.

    Raises:
        CellExecutionError: a cell failed.
    """
    made = deepcopy(notebook)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # a bar that needs ipywidgets
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(made, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}})
        client.execute()
    made.metadata = {"kernelspec": made.metadata["kernelspec"], "language_info": {"name": "python"}}
    for cell in made.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    return made


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Streams in one piece, however they came, as they stand on the screen in the end: without progress bars."""
    found: list[NotebookNode] = []
    for output in outputs:
        output.get("metadata", {}).clear()
        if output.output_type == "stream" and found and found[-1].get("name") == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    for output in found:
        if output.output_type == "stream":
            output.text = "\n".join(shown(output.text.replace("\n", "\r\n").encode())) + "\n"
    return found


def texts(notebook: NotebookNode) -> list[str]:
    """What each code cell says, without what depends on the clock; a picture is its kind."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            parts = [output.text if output.output_type == "stream" else said(output) for output in cell.outputs]
            found.append(CLOCK.sub("TIME", PROBES.sub("PROBES", "\n".join(parts))))
    return found


def said(output: NotebookNode) -> str:
    """A result or a picture as text."""
    data = output.get("data", {})
    return "[picture]" if "image/png" in data else data.get("text/plain", "")


def differences(stored: NotebookNode, now: NotebookNode) -> Iterator[str]:
    """Lines that are not the same; figures may be a little apart."""
    for number, (one, other) in enumerate(zip_longest(texts(stored), texts(now), fillvalue=""), 1):
        for line, again in zip_longest(one.splitlines(), other.splitlines(), fillvalue=""):
            if not same(line, again):
                yield f"code cell {number}: stored: {line}\n{' ' * 13}now:    {again}"


def same(one: str, other: str) -> bool:
    """Whether two lines say the same."""
    figures = [list(map(float, NUMBER.findall(text))) for text in (one, other)]
    words = [NUMBER.sub("N", text).split() for text in (one, other)]
    close = all(abs(a - b) <= NEAR * max(1, abs(a)) for a, b in zip(*figures, strict=False))
    return words[0] == words[1] and len(figures[0]) == len(figures[1]) and close


def main() -> None:
    """Executes it, and stores or compares."""
    parser = argparse.ArgumentParser("notebook", description=__doc__)
    parser.add_argument("--check", action="store_true", help="store nothing")
    options = parser.parse_args()
    stored = nbformat.read(NOTEBOOK, as_version=4)
    now = executed(stored)
    if options.check:
        found = list(differences(stored, now))
        print("\n".join(found) or "the notebook says what it said")
        sys.exit(1 if found else 0)
    nbformat.validate(now)
    nbformat.write(now, NOTEBOOK)
    print(f"{NOTEBOOK}: {NOTEBOOK.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
