"""Mistakes typed at the real command line: exit status 2, one short message, no traceback, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from attack.examples import make_data
from attack.mistakes import all_mistakes
from harness import command, fork
from trained import SMALL_DIGITS, trained

LEAST = 300
SAMPLE = 40
WORKERS = 2
LONGEST = 1500  # characters; several mistakes at once have a line each
LOST = 255  # by multiprocessing; embloom never ends with it
SECONDS = 120
# The data, or a step of training, shows these; what they leave is a run that says so.
LEAVES = ("failed", "stopped")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the mistakes are made with."""
    folder = tmp_path_factory.mktemp("mistakes")
    make_data(folder)
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "x.png").write_bytes(b"no image")
    (folder / "pairs.txt").write_text("king queen 8\nman woman 7\n")
    trained(folder / "run", *SMALL_DIGITS, "encoder.layers=1024-8-10")
    trained(folder / "words", "experiment=skipgram", "trainer=cpu", "trainer.max_epochs=1", "probe=[]",
            "encoder.dim=8", f"dataset.cache={folder / 'cache'}")  # fmt: skip
    return folder


def made(place: Path, number: int) -> Path:
    """A folder to make a mistake in: links to what is read, copies of what could be written."""
    folder = place / "tries" / str(number)
    folder.mkdir(parents=True)
    for name in ("images", "texts", "table", "idx", "empty", "broken", "cache", "pairs.txt"):
        (folder / name).symlink_to(place / name)
    for name in ("run", "words"):
        shutil.copytree(place / name, folder / name)
    return folder


def content(folder: Path) -> dict[str, float]:
    """Every file and when it was written."""
    return {str(p.relative_to(folder)): p.stat().st_mtime for p in folder.rglob("*") if p.is_file()}


def mistaken(place: Path, number: int, arguments: tuple[str, ...], word: str) -> dict[str, Any] | None:
    """Types a mistake; what is wrong with how it was taken."""
    folder = made(place, number)
    before = content(folder)
    process = fork(*arguments, cwd=folder)
    process.join(SECONDS)
    hangs = process.is_alive()
    if hangs:
        process.kill()
        process.join()
    output = (folder / "output.txt").read_text(errors="replace")
    message = "\n".join(line for line in output.splitlines() if line.startswith(("error: ", "there is", "embloom ")))
    wrong = []
    if hangs:
        wrong.append("hangs")
    # The fork server has lost the status of a process that it could not wait for: one of its own says.
    status = command(*arguments, cwd=folder).returncode if process.exitcode == LOST else process.exitcode
    if status != 2:
        wrong.append(f"exit status {status}")
    if "Traceback" in output:
        wrong.append("traceback")
    if not message and "usage: " not in output:
        wrong.append("no message")
    if len(message) > LONGEST:
        wrong.append("long message")
    if word and word not in output:
        wrong.append(f"does not name {word}")
    left = {name for name in content(folder).items() - before.items() if name[0] != "output.txt"}
    states = [Path(folder, name) for name, _ in left if name.endswith("run.json")]
    if left and not (states and all(json.loads(path.read_text())["state"] in LEAVES for path in states)):
        wrong.append(f"leaves {sorted(name for name, _ in left)[:5]}")
    shutil.rmtree(folder)
    found = {"typed": " ".join(arguments), "wrong": wrong, "said": output[-1200:]}
    if path := os.environ.get("EMBLOOM_ATTACK_REPORT"):
        with open(path, "a") as file:
            print(json.dumps(found), file=file)
    return found if wrong else None


def check(place: Path, mistakes: list[tuple[tuple[str, ...], str]]) -> None:
    """Makes all of them."""
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda item: mistaken(place, item[0], *item[1]), enumerate(mistakes)))
    bad = [line for line in found if line]
    print(f"{len(mistakes)} mistakes, {len(bad)} taken wrongly")
    assert not bad, f"{len(bad)} of {len(mistakes)}:\n" + "\n".join(json.dumps(line)[:1500] for line in bad[:20])


@pytest.mark.slow
def test_hundreds_of_mistakes(place: Path) -> None:
    mistakes = all_mistakes()
    assert len(mistakes) >= LEAST
    check(place, mistakes)


def test_a_sample_of_mistakes(place: Path) -> None:
    mistakes = all_mistakes(1)
    check(place, mistakes[:: len(mistakes) // SAMPLE])
