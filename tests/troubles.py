"""Losses and a probe of a user's own, that make trouble on demand."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from embloom.probes.base import Frozen, Probe


class Breaks(nn.Module):
    """Cross-entropy that becomes `value` in the training step `step`, counted from 1."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__()
        self.step, self.value, self.steps = step, value, 0

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        self.steps += self.training
        loss = F.cross_entropy(embedding, label)
        return loss * self.value if self.training and self.steps == self.step else loss


class Slow(nn.Module):
    """Cross-entropy that waits in each training step, and says how far it is by the size of a file."""

    def __init__(self, seconds: float, progress: str) -> None:
        super().__init__()
        self.seconds, self.progress = seconds, Path(progress)

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        if self.training:
            with self.progress.open("a") as file:
                file.write(".")
            time.sleep(self.seconds)
        return F.cross_entropy(embedding, label)


class Stops(Probe):
    """Gets a signal that stops the run."""

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        return {}


def write_configs(folder: Path) -> None:
    """A folder for `--config-dir` with all of them."""
    (folder / "probe").mkdir(parents=True)
    (folder / "probe" / "stops.yaml").write_text("stops: {_target_: troubles.Stops}\n")
    group = folder / "loss"
    group.mkdir(parents=True)
    (group / "breaks.yaml").write_text("breaks: {_target_: troubles.Breaks, step: 1000000, value: .nan}\n")
    (group / "slow.yaml").write_text("slow: {_target_: troubles.Slow, seconds: 0.2, progress: progress}\n")
