"""Runs embloom commands in processes that can be killed, and reads what they left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# Importing torch and Lightning takes longer than these runs: a server does it once and forks.
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["embloom.training.run", "embloom.commands.train"])
# One line of the run depends on the clock.
CLOCK_TAGS = {"train/examples_per_second"}


def settled(curves: dict[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    """Curves without what depends on the clock: of a probe only the end, since how often it runs before is a matter of
    the time that it takes."""
    kept = {tag: points for tag, points in sorted(curves.items()) if tag not in CLOCK_TAGS}
    return {tag: points[-1:] if tag.startswith("probe/") else points for tag, points in kept.items()}


def command(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the real command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "embloom", *arguments],
        cwd=cwd,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **(env or {})},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _forked(arguments: Sequence[str], cwd: str) -> None:
    os.chdir(cwd)
    with open("output.txt", "a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    torch.set_num_threads(1)
    sys.argv = ["embloom", *arguments]
    from embloom.cli import main

    main()


def fork(*arguments: str, cwd: Path) -> BaseProcess:
    """Starts a command in a fork; its output is appended to `output.txt` in `cwd`."""
    process = FORKS.Process(target=_forked, args=(arguments, str(cwd)))
    process.start()
    return process


def finish(process: BaseProcess, cwd: Path, seconds: float = 300) -> None:
    """Waits for success."""
    process.join(seconds)
    assert process.exitcode == 0, (cwd / "output.txt").read_text()[-3000:]


def killed(process: BaseProcess, after: float) -> bool:
    """Kills it with SIGKILL after so many seconds; False if it had ended by then."""
    process.join(after)
    if not process.is_alive():
        return False
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return True


def same_after_kills(place: Path, arguments: Sequence[str], kills: int) -> None:
    """Trains twice into `run`, once killed up to so many times and resumed: both end with the same bits.

    The moments are shares of what the whole training took, so that there is something to kill on any machine.
    """
    whole, folder, moments = place / "whole", place / "killed", random.Random(0)
    for cwd in (whole, folder):
        cwd.mkdir()
    began = time.monotonic()
    process = fork(*arguments, cwd=whole)
    wait_for(lambda: checkpointed(whole))
    first = time.monotonic()
    finish(process, whole)
    start, rest = first - began, time.monotonic() - first
    process = fork(*arguments, cwd=folder)
    wait_for(lambda: checkpointed(folder))
    assert killed(process, moments.uniform(0, rest / 2)), "no kill"
    for _ in range(kills - 1):
        process = fork("resume", "run", cwd=folder)
        if not killed(process, moments.uniform(0, start + rest / 2)):
            break
    else:
        process = fork("resume", "run", cwd=folder)
    finish(process, folder)
    assert_same(outcome(whole / "run"), outcome(folder / "run"))


def checkpointed(folder: Path) -> bool:
    """Whether the run in a folder can be resumed."""
    return (folder / "run" / "checkpoints" / "last.ckpt").exists()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Waits until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every TensorBoard curve of a run, as (step, value)."""
    board = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    board.Reload()
    return {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in board.Tags()["scalars"]}


def outcome(folder: Path) -> dict[str, Any]:
    """What a run ends with: weights, optimizer state, metrics, curves and the artifact's hash."""
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return {
        "weights": checkpoint["state_dict"],
        "optimizer": checkpoint["optimizer_states"],
        "metrics": json.loads((folder / "metrics.json").read_text()),
        "curves": settled(scalars(folder)),
        "hash": json.loads((folder / "embeddings" / "card.json").read_text())["content_hash"],
    }


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Equal to the bit, tensors too."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where
