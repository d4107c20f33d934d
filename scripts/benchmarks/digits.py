"""Times an epoch of the MNIST recipe: embloom, a bare PyTorch loop over tensors, and the usual DataLoader.

    python scripts/benchmarks/digits.py ROOT [--epochs 10] [--batch-size 512] [--precision bf16-mixed]

ROOT is torchvision's folder of MNIST. All train the same model with the same optimizer, schedule and loss, in one
process, taking turns epoch by epoch, so that a machine whose speed drifts drifts for all. embloom runs with all its
default callbacks. Since its dropout is faster than torch's on a CPU, a second bare loop has that too. The DataLoader
path is the usual one of examples and templates: torchvision's MNIST, its transforms for each sample, no workers; and
once more with two. An epoch is timed from its first batch to its last; validation is not part of it. The first round is
a warm-up. What counts are the ratios; the last is to the floor, the matrix products of the large layer alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from embloom.assembly.compose import composed, plain
from embloom.callbacks.base import Callback, Training
from embloom.data.in_memory import InMemoryDataset
from embloom.encoders.dropout import Dropout
from embloom.files.run_state import RunState
from embloom.optim.schedules import OneCycle
from embloom.training.preparing import prepared
from embloom.training.run import Run

Batches = Any


class Peer:
    """The recipe as a plain loop over batches of (image, label)."""

    def __init__(self, config: dict[str, Any], steps: int, dropout: Callable[[float], nn.Module] = nn.Dropout) -> None:
        optimizer, encoder = config["optimizer"], config["encoder"]
        self.model = nn.Sequential(
            dropout(encoder["input_dropout"]),
            nn.Linear(1024, 512),
            nn.ReLU(),
            dropout(encoder["dropout"]),
            nn.Linear(512, 10),
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=optimizer["lr"],
            betas=tuple(optimizer["betas"]),
            weight_decay=optimizer["weight_decay"],
            fused=True,
        )
        schedule = OneCycle()
        self.scheduler = LambdaLR(self.optimizer, lambda step: schedule(min(1.0, step / steps)))
        self.smoothing = config["loss"]["cross_entropy"]["label_smoothing"]

    def epoch(self, batches: Batches) -> float:
        """Trains on the batches; returns the seconds."""
        began = time.perf_counter()
        for image, label in batches:
            loss = F.cross_entropy(self.model(image), label, label_smoothing=self.smoothing)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
        return time.perf_counter() - began


def sliced(images: torch.Tensor, labels: torch.Tensor, size: int) -> Batches:
    """Shuffled slices of tensors in memory."""
    order = torch.randperm(len(images))
    for start in range(0, len(images), size):
        rows = order[start : start + size]
        yield images[rows].float().div_(255), labels[rows]


class Turns(Callback):
    """Times embloom's epochs, and gives each peer its turn in between."""

    def __init__(self, peers: dict[str, Any], slow_every: int) -> None:
        self.peers, self.slow_every = peers, slow_every
        self.seconds: dict[str, list[float]] = {name: [] for name in ("embloom", *peers)}
        self.began = 0.0

    def on_epoch_start(self, run: Training) -> None:
        """Starts the clock."""
        self.began = time.perf_counter()

    def on_batch_end(self, run: Training, batch: Mapping[str, Tensor]) -> None:
        """Stops it after the last batch; then the others train."""
        if run.batches_done == (run.epoch + 1) * run.batches // run.epochs:
            self.seconds["embloom"].append(time.perf_counter() - self.began)
            for name, epoch in self.peers.items():
                if "DataLoader" not in name or run.epoch % self.slow_every == 0:
                    self.seconds[name].append(epoch())


def main() -> None:
    """Runs the turns and prints medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--precision", default="32-true", help="embloom's trainer.precision; the others keep float32")
    options = parser.parse_args()
    overrides = ["dataset=mnist", f"dataset.root={options.root}", f"dataset.batch_size={options.batch_size}"]
    config = plain(composed([*overrides, "trainer=cpu", f"trainer.max_epochs={options.epochs + 1}",
                             f"trainer.precision={options.precision}"], []))  # fmt: skip
    parts = prepared(config)
    assert isinstance(parts.dataset, InMemoryDataset)
    parts.dataset.setup("fit")
    columns = parts.dataset.columns["train"]
    images, labels, size = columns["image"], columns["label"], options.batch_size
    usual = datasets.MNIST(
        options.root,
        train=True,
        transform=transforms.Compose(
            [transforms.Pad(2), transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,)), torch.flatten]
        ),
    )
    alone, helped = (DataLoader(usual, batch_size=size, shuffle=True, num_workers=workers) for workers in (0, 2))
    steps = -(-len(images) // size) * (options.epochs + 1)
    bare, bare_fast, per_sample = Peer(config, steps), Peer(config, steps, Dropout), Peer(config, 3 * steps)
    peers = {
        "bare loop": lambda: bare.epoch(sliced(images, labels, size)),
        "its dropout": lambda: bare_fast.epoch(sliced(images, labels, size)),
        "DataLoader": lambda: per_sample.epoch(alone),
        "DataLoader, 2 workers": lambda: per_sample.epoch(helped),
    }
    turns = Turns(peers, slow_every=min(3, options.epochs))  # each has a turn after the warm-up
    parts.callbacks["turns"] = turns
    with tempfile.TemporaryDirectory() as folder:
        Run(config, Path(folder), parts, RunState("mnist", "mlp", "cross_entropy")).fit()
    report(turns.seconds, len(images), len(usual))
    print(f"floor / embloom  {floor(size, len(images)) / statistics.median(turns.seconds['embloom'][1:]):.2f}")


def floor(batch: int, rows: int) -> float:
    """Seconds that the matrix products of the 1024-512 layer take in an epoch: forward, and the weights' gradient."""
    image, weight, gradient = torch.randn(batch, 1024), torch.randn(512, 1024), torch.randn(batch, 512)
    seconds = []
    for _ in range(60):
        began = time.perf_counter()
        torch.mm(image, weight.T)
        torch.mm(gradient.T, image)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * rows / batch


def report(seconds: dict[str, list[float]], rows: int, usual_rows: int) -> None:
    """Prints the medians without the warm-up; the DataLoader's epochs are scaled to as many rows."""
    medians = {name: statistics.median(found[1:]) for name, found in seconds.items()}
    for name in medians:
        medians[name] *= rows / usual_rows if "DataLoader" in name else 1
    for name, median in medians.items():
        print(f"{name:<22} {median:8.3f} s an epoch   {rows / median:12,.0f} examples/s")
    for name, meaning in (("bare loop", "bare loop"), ("its dropout", "bare loop with embloom's dropout")):
        pairs = [a / b for a, b in zip(seconds["embloom"][1:], seconds[name][1:], strict=True)]
        ratio = medians["embloom"] / medians[name]
        print(f"embloom / {meaning}  {ratio:.3f}   (pairs: median {statistics.median(pairs):.3f})")
    for name in ("DataLoader", "DataLoader, 2 workers"):
        print(f"{name} / embloom  {medians[name] / medians['embloom']:.1f}")


if __name__ == "__main__":
    main()
