"""Reads many damaged files in processes of their own, each read with a limit of time and a measured peak of memory."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embloom.errors import message_for
from harness import FORKS

SECONDS = 30  # that a read may take, on a busy machine
MEMORY = 1 << 30
MOST_OF_A_MESSAGE = 1000
REFUSED, SAME, ANOTHER = "refused", "the same", "another content"


class TooLongError(BaseException):
    """A read does not end."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: what it is called.
        file: where it is, in a folder that the tests make.
        folder: what is copied for each process; the file is in it.
        read: reads it as a command would; takes the copy of the folder.
        damage: from its content, another one, with what was done.
        fits: where the format has no check of its own, a changed file is another one that nobody can tell from a sound
            one: then what it must still be. None: whatever is read is what was written.
        count: how many are damaged.
    """

    name: str
    file: str
    folder: str
    read: Callable[[Path], Any]
    damage: Callable[[bytes, random.Random], tuple[str, bytes]]
    fits: Callable[[Any], bool] | None = None
    count: int = 40


def digest(value: Any) -> str:
    """A hash of nested containers with tensors."""
    found = hashlib.sha256()
    for part in flat(value):
        found.update(part + b"\0")
    return found.hexdigest()


def flat(value: Any) -> Iterator[bytes]:
    """The parts of nested containers."""
    if isinstance(value, torch.Tensor):
        value = value.detach().contiguous().numpy()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from flat({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            yield repr(key).encode()
            yield from flat(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"{len(value)}".encode()
        for inner in value:
            yield from flat(inner)
    else:
        yield repr(value).encode()


def peak() -> int:
    """The most memory that this process has held since `forget_peak`, and now where that is not known."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def forget_peak() -> None:
    """Lets `peak` begin from what is held now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def limited() -> None:
    """Lets a file that asks for tens of gigabytes fail, instead of the machine."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = held + 6 * MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def too_long(signum: int, frame: Any) -> None:
    raise TooLongError


def attacked(kind: Kind, place: str, seeds: Sequence[int], report: str) -> None:
    """Reads files damaged from the seeds, in this process; appends a line of JSON for each to `report`."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, too_long)
    scratch = Path(place) / "scratch" / f"{kind.name.replace('/', '_')}-{seeds[0]}"
    source = Path(place) / kind.folder
    shutil.copytree(source, scratch)
    os.chdir(scratch)
    target = scratch / Path(kind.file).relative_to(kind.folder)
    sound = target.read_bytes()
    read, found = outcome_of(kind, scratch)
    assert read == "read", f"the sound file is refused: {found}"
    expected = digest(found)
    limited()
    with open(report, "a") as file:
        for seed in seeds:
            how, content = broken(kind, sound, seed)
            print(json.dumps({"seed": seed, "how": how, "outcome": "died"}), file=file, flush=True)
            target.write_bytes(content)
            found = {"seed": seed, "how": how, "bytes": len(content), **one(kind, scratch, expected)}
            print(json.dumps(found), file=file, flush=True)
            for path in scratch.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(source, scratch, dirs_exist_ok=True)
    shutil.rmtree(scratch)


def broken(kind: Kind, sound: bytes, seed: int) -> tuple[str, bytes]:
    """A damaged content; what is nested deeply takes a deep stack to write."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(30_000)
    try:
        return kind.damage(sound, random.Random(f"{kind.name} {seed}"))
    finally:
        sys.setrecursionlimit(before)


def one(kind: Kind, scratch: Path, expected: str) -> dict[str, Any]:
    """What came of one damaged file."""
    forget_peak()
    before, began = peak(), time.monotonic()
    signal.alarm(SECONDS)
    try:
        outcome, value = outcome_of(kind, scratch)
    except TooLongError:
        outcome, value = "took too long", None
    except BaseException:
        outcome, value = "traceback", traceback.format_exc()[-1500:]
    finally:
        signal.alarm(0)
    if outcome == "read":
        same = digest(value) == expected
        outcome = SAME if same else ANOTHER
        if not same and (kind.fits is None or not kind.fits(value)):
            outcome, value = "silently accepted", repr(value)[:500]
    used = peak() - before
    if used > MEMORY:
        outcome = f"took {used >> 20} MB"
    said = str(value) if outcome not in (SAME, ANOTHER) else ""
    return {"outcome": outcome, "said": said, "memory": used, "seconds": round(time.monotonic() - began, 2)}


def outcome_of(kind: Kind, scratch: Path) -> tuple[str, Any]:
    """Reads; what is wrong must have a message for the user."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            return "read", kind.read(scratch)
    except Exception as error:
        message = message_for(error)
        if not message:
            raise
        if len(message) > MOST_OF_A_MESSAGE or "Traceback" in message:
            return "a message that is too long", message
        return REFUSED, message


def run(kind: Kind, place: Path, workers: int = 1) -> list[dict[str, Any]]:
    """Attacks a kind; the last line about each seed counts."""
    report = place / f"{kind.name.replace('/', '_')}.jsonl"
    left = list(range(kind.count))
    while left:
        process = FORKS.Process(target=attacked, args=(kind, str(place), left, str(report)))
        process.start()
        process.join(SECONDS * 10 + kind.count * 2)
        if process.is_alive():
            process.kill()
            process.join()
        lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
        done = {line["seed"] for line in lines}
        assert process.exitcode == 0 or any(seed in done for seed in left), f"{kind.name} does not read its sound file"
        left = [seed for seed in left if seed not in done]
    last = {line["seed"]: line for line in map(json.loads, report.read_text().splitlines())}
    return list(last.values())
