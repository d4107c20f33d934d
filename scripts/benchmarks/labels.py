"""What unlabelled text is worth: test accuracy from few labels and many, from scratch, from word vectors, and by LSA.

python scripts/benchmarks/labels.py dataset.path=imdb --text imdb/corpus.txt.gz       trains the word vectors first
python scripts/benchmarks/labels.py dataset.path=imdb --vectors SKIPGRAM_RUN          or takes a run's, or a file's

What has been trained is kept in --folder and not trained again. Other arguments are overrides of `embloom train`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

# Labels -> epochs, and the learning rate of what was started: few labels need more epochs, and should not undo what
# much text has taught.
EPOCHS = {100: 120, 500: 60, 2500: 20, 25000: 6}
RATES = {100: 0.0001, 500: 0.0001, 2500: 0.001, 25000: 0.002}
STARTS = {"from scratch": "bag_of_embeddings", "started": "bag_from_words", "LSA": "lsa"}
PENALTY = 50  # of the head on LSA, times the number of labels
ACCURACY = "test/accuracy_label"


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="unlabelled text to train word vectors on")
    source.add_argument("--vectors", help="a skip-gram run, or a file of word vectors")
    parser.add_argument("--folder", type=Path, default=Path("outputs/labels"), help="where the runs are kept")
    parser.add_argument("--labels", default=",".join(map(str, EPOCHS)), help="how many, with commas between them")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, with labels and weights drawn anew")
    options, overrides = parser.parse_known_args()
    vectors = options.vectors or str(options.folder / "words")
    if options.text:
        # Wide windows: what a review is about and thinks of it is more than the next word.
        trained(options.folder / "words", "experiment=skipgram", f"dataset.path={options.text}", "dataset.window=15")
    found: dict[int, dict[str, list[float]]] = {}
    for labels in map(int, options.labels.split(",")):
        for start, experiment in STARTS.items():
            for seed in range(options.seeds):
                chosen = [
                    f"experiment={experiment}", f"dataset.train_size={labels}", f"dataset.split_seed={seed}",
                    f"seed={seed}",
                    *more(start, labels, vectors, options.text),
                    *overrides,
                ]  # fmt: skip
                metrics = trained(options.folder / f"{experiment}-{labels}-{seed}", *chosen)
                found.setdefault(labels, {}).setdefault(start, []).append(metrics[ACCURACY])
    print_table(found)


def more(start: str, labels: int, vectors: str, text: str | None) -> list[str]:
    """The overrides that a start has for so many labels."""
    if start == "LSA":
        return [f"optimizer.weight_decay={PENALTY / labels}", *([f"dataset.unlabelled={text}"] if text else [])]
    epochs = [f"trainer.max_epochs={EPOCHS.get(labels, 15)}", "trainer.min_batches=1"]
    if start == "started":
        return [*epochs, f"init_from={vectors}", f"init_from.lr={RATES.get(labels, 0.001)}"]
    return epochs


def trained(folder: Path, *overrides: str) -> dict[str, float]:
    """The metrics of a run, trained now unless its folder has them."""
    if not (folder / "metrics.json").exists():
        command = [sys.executable, "-m", "embloom", "train", *overrides, f"hydra.run.dir={folder}"]
        subprocess.run(command, check=True)
    metrics: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return metrics


def print_table(found: dict[int, dict[str, list[float]]]) -> None:
    """A row for each number of labels."""
    table = Table("labels", *STARTS, "best - scratch", box=box.SIMPLE_HEAD)
    for labels, starts in found.items():
        means = {start: statistics.mean(values) for start, values in starts.items()}
        spread = {start: statistics.stdev(values) if len(values) > 1 else 0.0 for start, values in starts.items()}
        cells = [f"{means[start]:.2%} ± {spread[start]:.2%}" for start in STARTS]
        gained = 100 * (max(means.values()) - means["from scratch"])
        table.add_row(f"{labels:,}", *cells, f"{gained:+.1f} points")
    Console().print(table)


if __name__ == "__main__":
    main()
