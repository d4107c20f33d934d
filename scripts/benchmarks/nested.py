"""Nested widths against models trained for one width alone: 5-NN on MNIST, Spearman's correlations of words.

python scripts/benchmarks/nested.py DATA        a folder that has mnist/, imdb/corpus.txt.gz and word_similarity/

What has been trained is kept in --folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import embloom
from embloom.derive.samples import dataset_of, vectors_of_split
from embloom.probes.word_similarity import agreement, read_pairs

WIDTHS = {"mnist": (8, 16, 32, 64), "words": (25, 50, 100)}
LAYER = "embedding"
NEIGHBORS = 5


def run(data: Path, seeds: int, folder: Path = Path("outputs/nested"), only: str | None = None) -> dict[str, float]:
    """Trains what is not there yet, and measures: the mean over seeds of each width, nested and alone."""
    settings = {
        "mnist": ("dataset=mnist", f"dataset.root={data / 'mnist'}", "dataset.download=false", "loss=[linear_head]",
                  "trainer.max_epochs=6"),
        "words": ("experiment=skipgram", f"dataset.path={data / 'imdb' / 'corpus.txt.gz'}",
                  "dataset.val_fraction=0.001", "dataset.test_fraction=0.001"),
    }  # fmt: skip
    sets = {file.stem: read_pairs(file) for file in sorted((data / "word_similarity").glob("*.txt"))}
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        for what in [only] if only else list(WIDTHS):
            for width in (None, *WIDTHS[what]):
                widest = width or WIDTHS[what][-1]
                shape = f"encoder.layers=1024-512-{widest}" if what == "mnist" else f"encoder.dim={widest}"
                nested = [] if width else [f"nested={list(WIDTHS[what])}".replace(" ", "")]
                place = trained(folder / f"{what}-{width or 'nested'}-{seed}", *settings[what], shape, *nested,
                                f"seed={seed}")  # fmt: skip
                for some in (width,) if width else WIDTHS[what]:
                    value = accuracy(place, some) if what == "mnist" else mean_spearman(place, some, sets)
                    found.setdefault(f"{what} {some}: {'alone' if width else 'nested'}", []).append(value)
    means = {name: statistics.mean(values) for name, values in found.items()}
    for name, values in sorted(found.items()):
        spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        print(f"{name:<24} {means[name]:.4f}{spread}")
    for what in [only] if only else list(WIDTHS):
        for width in WIDTHS[what]:
            lost = means[f"{what} {width}: alone"] - means[f"{what} {width}: nested"]
            print(f"{what} {width}: nested loses {100 * lost:.2f} points")
    return means


def trained(folder: Path, *overrides: str) -> Path:
    """The folder of a run, trained now unless it is there."""
    if not (folder / "metrics.json").exists():
        fixed = ["probe=[]", "callbacks=[checkpoints,metrics]", f"hydra.run.dir={folder}"]
        command = [sys.executable, "-m", "embloom", "train", *overrides, *fixed]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert json.loads((folder / "run.json").read_text())["state"] == "finished"
    return folder


def accuracy(folder: Path, width: int) -> float:
    """Of the classes of test images by their nearest training images, from the first numbers of the vectors."""
    embedding = embloom.load(folder)
    dataset = dataset_of(embedding.card, {})
    train, test = (vectors_of_split(embedding, dataset, split, [LAYER], None) for split in ("train", "test"))
    label = dataset.labels[0]
    votes = nearest(train[LAYER][:, :width], test[LAYER][:, :width], train[label])
    return float((votes == test[label]).float().mean())


def nearest(rows: Tensor, queries: Tensor, labels: Tensor) -> Tensor:
    """(Q,) what most of the nearest rows are labelled, the lowest of equals."""
    found = []
    for some in queries.split(500):
        near = torch.cdist(some, rows).topk(NEIGHBORS, largest=False).indices
        found.append(F.one_hot(labels[near]).sum(1).argmax(1))
    return torch.cat(found)


def mean_spearman(folder: Path, width: int, sets: Mapping[str, list[tuple[str, str, float]]]) -> float:
    """The mean over the sets, from the first numbers of the vectors."""
    words = embloom.load(folder).words
    rows = F.normalize(words.vectors[:, :width].float(), dim=1)
    scores = []
    for pairs in sets.values():
        known = [pair for pair in pairs if set(pair[:2]) <= words.number.keys()]
        scores.append(agreement(known, words.number, rows))
    return statistics.mean(scores)


def main() -> None:
    """Runs both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("outputs/nested"), help="where the runs are kept")
    parser.add_argument("--only", choices=tuple(WIDTHS))
    options = parser.parse_args()
    run(options.data, options.seeds, options.folder, options.only)


if __name__ == "__main__":
    main()
