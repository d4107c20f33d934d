"""Run folders: who writes them, what they hold, and the list of them.

Imports nothing heavy: `embloom runs` answers at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from embloom.files.coverage import MARK, barely_known
from embloom.files.run_state import CONFIG, STATE, printable, read_state, resume_command

# Probes that describe an embedding without saying that more is better.
NO_SCORES = ("chance_", "effective_rank", "alignment", "uniformity")
LOCK = ".lock"


def claim(folder: Path, automatic: bool) -> Path:
    """Makes a folder for a new run, which nobody else gets.

    Args:
        folder: the folder.
        automatic: nobody has chosen it by name: where another run was faster, it is called -2, -3, ...

    Returns:
        The folder that was made.

    Raises:
        ValueError: it holds a run already.
    """
    number = 1
    while True:
        candidate = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        candidate.mkdir(parents=True, exist_ok=True)
        taken = (candidate / CONFIG).exists()
        if taken and not automatic:
            raise held_already(folder)
        if not taken:
            try:
                (candidate / LOCK).open("x").close()
                return candidate
            except FileExistsError:
                if not automatic:
                    return candidate  # one that died before it began
        number += 1


def held_already(folder: Path) -> ValueError:
    """What to say of a folder that a new run cannot have."""
    return ValueError(
        f"{folder} holds a run already: continue it with {resume_command(folder, [])}, "
        "or choose another folder with hydra.run.dir=..."
    )


def unclaim(folder: Path, automatic: bool) -> None:
    """Gives back a claimed folder in which no run began; `automatic` as for `claim`."""
    (folder / LOCK).unlink(missing_ok=True)
    tidy(folder, parents=2 if automatic else 0)


def tidy(folder: Path, parents: int = 2) -> None:
    """Removes a folder and those above it, outputs/<what varies>/<name>-<stamp>, as far as they are empty."""
    for place in (folder, *folder.parents[:parents]):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a run folder; the system lets go of it when the process ends, however it ends.

    Raises:
        ValueError: another process holds it.
    """
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{folder} is in use by another embloom process: wait for it, or stop it") from error
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process is writing the run."""
    try:
        with (folder / LOCK).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def find_runs(root: Path) -> list[Path]:
    """Every run folder under `root`, oldest first."""
    found = []
    for folder, subfolders, files in os.walk(root):
        if STATE in files and CONFIG in files:
            found.append(Path(folder))
            subfolders.clear()
    return sorted(found, key=lambda folder: (folder / CONFIG).stat().st_mtime)


def size_of(folder: Path) -> int:
    """Bytes in a folder; a file with two names in it counts once."""
    sizes = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.is_file():
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def table(root: Path) -> list[dict[str, Any]]:
    """A row for each run under `root`, oldest first; see `row_of`."""
    return [row_of(folder) for folder in find_runs(root)]


def row_of(folder: Path) -> dict[str, Any]:
    """What a list says of a run: folder, state and reason, dataset, encoder, loss, epoch, step, started, updated,
    bytes, and its best probe as text and number."""
    size = size_of(folder)
    try:
        run = read_state(folder)
    except ValueError as error:
        return {"folder": str(folder), "state": "unreadable", "reason": printable(str(error)), "bytes": size}
    state = "killed" if run.state == "running" and not is_locked(folder) else run.state
    named = {key: getattr(run, key) for key in ("dataset", "encoder", "loss", "epoch", "step", "started", "updated")}
    named["reason"] = printable(run.reason)
    row = {"folder": str(folder), "state": state, **named, "best_probe": "", "bytes": size}
    if best := best_probe(run.metrics):
        row |= {"best_probe": f"{best[0]} {best[1]:.4f}", "best_value": best[1]}
    return row


def best_probe(metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """The probe that is the farthest above chance, where that is known; those that are no scores do not count, nor do
    those of questions that the vocabulary barely knows."""
    probes = {k.removeprefix("probe/"): v for k, v in metrics.items() if k.startswith("probe/")}
    left = {tag.removeprefix("probe/") for tag in barely_known(metrics)}
    scores = {k: v for k, v in probes.items() if not k.startswith(NO_SCORES) and MARK not in k and k not in left}

    def gain(item: tuple[str, float]) -> float:
        chance = probes.get(f"chance_{item[0].partition('_')[2]}", 0.0)
        return (item[1] - chance) / (1 - chance) if chance < 1 else 0.0

    return max(scores.items(), key=gain, default=None)


# What a run, and the commands that write into its folder, leave there; folders are emptied of such files only.
WRITTEN = (
    STATE, CONFIG, LOCK, "metrics.json", "metrics.csv", "hparams.yaml", ".worker.json", "events.out.tfevents.*",
    "projector_config.pbtxt", "map.png", "map.html", "sizes.png", "sizes.html", "checkpoints/*.ckpt",
    "embeddings/layers.safetensors", "embeddings/card.json", "projector/*.tsv",
    "projector/sprite.png", "images/*.png", "exports/vectors.*", "exports/encoder.*", "exports/projector/*",
    "neighbors/*.safetensors", "trackers/*.jsonl", "wandb/*", "profile/*",
)  # fmt: skip
TEMPORARY = re.compile(r"\.(.+)\.\d+")  # what a write that was killed leaves: .last.ckpt.4711


def written(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of a run folder that embloom wrote, and those that it did not; a link is never followed."""
    ours: list[Path] = []
    others: list[Path] = []
    for place, subfolders, files in os.walk(folder):
        here = Path(place)
        for name in [*files, *(d for d in subfolders if (here / d).is_symlink())]:
            path = here / name
            left = TEMPORARY.fullmatch(name)
            shape = (path.with_name(left[1]) if left else path).relative_to(folder).as_posix()
            linked = path.is_symlink() and not shape.startswith("wandb/")  # W&B leaves links of its own
            mine = not linked and any(fnmatchcase(shape, pattern) for pattern in WRITTEN)
            (ours if mine else others).append(path)
    return ours, others


def clear_temporary(folder: Path) -> None:
    """Deletes what writes that were killed have left; only for who holds the lock."""
    for path in [*folder.glob(".*"), *folder.glob("*/.*")]:
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)
