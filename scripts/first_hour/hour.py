"""The first hour: the folder that it happens in, the runs that several tasks ask about, and how a task says what is
wrong."""

from __future__ import annotations

import random
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from screen import MODES, Interrupt, Screen, run

# Trainings that several tasks ask about, each run when it is first asked for.
RUNS = {
    "digits": ["trainer.max_epochs=4"],
    "words": ["experiment=skipgram"],
    "films": ["experiment=recommender", "trainer.max_epochs=3"],
}
QUICK = ("trainer=cpu",)
COLORS = {"blue": (40, 60, 220), "green": (30, 160, 60), "red": (200, 40, 40)}


class TaskError(Exception):
    """What a task expected and did not see."""


@dataclass
class Task:
    """A task of the hour.

    Attributes:
        name: to choose it by.
        section: of the list that it is from.
        does: what it does.
        play: does it.
    """

    name: str
    section: str
    does: str
    play: Callable[[Hour], None]


TASKS: dict[str, Task] = {}


def task(section: str) -> Callable[[Callable[[Hour], None]], Callable[[Hour], None]]:
    """Makes a task of a function, with its name and its docstring."""

    def made(play: Callable[[Hour], None]) -> Callable[[Hour], None]:
        TASKS[play.__name__] = Task(play.__name__, section, (play.__doc__ or "").strip(), play)
        return play

    return made


@dataclass
class Hour:
    """Where the tasks are done.

    Attributes:
        folder: what the person sits in.
        modes: widths of terminals, 0 for a pipe.
        screenshots: a folder for pictures of pages, or None.
        problems: what was wrong in the task that is played.
    """

    folder: Path
    modes: tuple[int, ...] = MODES
    screenshots: Path | None = None
    problems: list[str] = field(default_factory=list)

    def shell(
        self,
        command: str,
        *seen: str,
        status: int | tuple[int, ...] = 0,
        unseen: tuple[str, ...] = (),
        each: bool = True,
        **how: Any,
    ) -> list[Screen]:
        """Types a command at each width and into a pipe; `{mode}` in it is another name each time.

        Args:
            command: what is typed.
            seen: patterns that have to be on the screen.
            status: the exit status, or several that may be.
            unseen: patterns that must not be there.
            each: at every width; else once, at the first.
            how: see `screen.run`.
        """
        found = []
        for mode in self.modes if each else self.modes[:1]:
            typed = command.replace("{mode}", f"at{mode}")
            for again in re.findall(r"hydra\.(?:run|sweep)\.dir=(\S+)", typed):
                shutil.rmtree(self.folder / again, ignore_errors=True)
            shown = run(shlex.split(typed), self.folder, mode, **how)
            wrong = shown.faults(*([status] if isinstance(status, int) else status))
            wrong += [
                f"does not show {p!r}" for p in seen if not re.search(p.replace("{mode}", f"at{mode}"), shown.text)
            ]
            wrong += [f"shows {p!r}" for p in unseen if re.search(p, shown.text)]
            if wrong:
                where = f"{mode} columns" if mode else "piped"
                last = "\n".join(f"    | {line[:200]}" for line in shown.lines[-12:])
                self.problems += [f"{command} ({where}): {text}" for text in wrong[:-1]]
                self.problems.append(f"{command} ({where}): {wrong[-1]}\n{last}")
            found.append(shown)
        return found

    def python(self, code: str, *seen: str, status: int = 0, unseen: tuple[str, ...] = ()) -> Screen:
        """Runs Python in the folder, piped."""
        (self.folder / "typed.py").write_text(f"import embloom\n{code}", encoding="utf-8")
        shown = run(["python", "typed.py"], self.folder, 0)
        wrong = [] if shown.status == status else [f"exit status {shown.status}"]
        wrong += [f"does not show {pattern!r}" for pattern in seen if not re.search(pattern, shown.text)]
        wrong += [f"shows {pattern!r}" for pattern in unseen if re.search(pattern, shown.text)]
        if wrong:
            last = "\n".join(f"    | {line[:200]}" for line in shown.lines[-8:])
            self.problems.append(f"{'; '.join(wrong)}\n{last}")
        return shown

    def run_of(self, name: str) -> str:
        """The folder of one of `RUNS`, trained at its first mention."""
        if not (self.folder / name / "embeddings" / "card.json").is_file():
            shown = run(["embloom", "train", *RUNS[name], *QUICK, f"hydra.run.dir={name}"], self.folder, 0)
            if shown.status:
                raise TaskError(f"embloom train for {name}: {shown.text[-800:]}")
        return name

    def sweep(self) -> str:
        """A small sweep over losses and learning rates, trained at its first mention."""
        if not (self.folder / "outputs" / "losses").is_dir():
            what = ["loss=cross_entropy,mse", "optimizer.lr=0.003,0.01", "trainer.max_epochs=3", *QUICK]
            typed = ["embloom", "train", "-m", *what, "hydra.sweep.dir=outputs/losses"]
            shown = run(typed, self.folder, 0)
            if shown.status:
                raise TaskError(f"the sweep: {shown.text[-800:]}")
        return "outputs/losses"

    def expect(self, fact: object, otherwise: str) -> None:
        """Notes what is wrong."""
        if not fact:
            self.problems.append(otherwise)


def interrupted(text: str, seconds: float) -> Interrupt:
    """Ctrl-C so many seconds after a text appeared."""
    return text, seconds


def furnish(folder: Path) -> None:
    """What a person has: photographs in folders, a table, words, vectors from elsewhere."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    for name, color in COLORS.items():
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(np.array(color) + draw.normal(0, 25, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{name} {number:02}.png")
    Image.open(folder / "photos" / "red" / "red 00.png").save(folder / "photo.jpg")
    # A fourth digit of the bundled kind: a dark stroke on light.
    stroke = np.zeros((28, 28), np.uint8)
    stroke[4:24, 13:16] = 250
    Image.fromarray(stroke).save(folder / "one.png")
    mixed = random.Random(0)
    rows = [f"{mixed.gauss(i % 3, 0.3):.2f},{mixed.gauss(0, 1):.2f},{'abc'[i % 3]}" for i in range(120)]
    (folder / "flowers.csv").write_text("\n".join(["width,height,species", *rows]))
    words = [*(f"word{i}" for i in range(200)), "king", "queen", "man", "woman"]
    vectors = draw.normal(size=(len(words), 16)).astype(np.float32)
    lines = [f"{word} {' '.join(f'{x:.4f}' for x in row)}" for word, row in zip(words, vectors, strict=True)]
    (folder / "glove.txt").write_text("\n".join(lines))
    np.save(folder / "other.npy", vectors + draw.normal(0, 0.1, vectors.shape).astype(np.float32))
    (folder / "words.txt").write_text("\n".join(words))
    (folder / "my_text.txt").write_text("\n".join("the king and the queen saw a small dog" for _ in range(400)))
