"""Words that come later: V1 from half of the reviews, grown with the other half, against a training with all.

python scripts/benchmarks/growth.py DATA        a folder that has imdb/corpus.txt.gz, word_similarity/ and mnist/

Half of the text: reviews without some hundred words of the similarity sets, chosen at random, so that many pairs
have a new word. And pictures: new queries against an old index, MNIST. What has been trained is kept in --folder.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F

import embloom
from embloom.probes.word_similarity import agreement, read_pairs

FOLDER = Path("outputs/growth")
WORDS = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
RARE = 1500  # reviews that a word to be held out is in, at most
LEAST = 10  # and at least
SKIPGRAM = (
    "experiment=skipgram", "dataset.val_fraction=0.001", "dataset.test_fraction=0.001", "probe=[]",
    "callbacks=[checkpoints,metrics]",
)  # fmt: skip
GROWN = {
    "kept": ["init_from.keep_rows=true", "trainer.max_epochs=12"],  # few rows learn, from text that is not much
    "anchored": ["init_from.anchor=1.0"],
}


def run(data: Path, seeds: int = 3) -> dict[str, float]:
    """Trains what is not there yet, and measures."""
    return {**words(data, seeds), **pictures(data, seeds)}


def words(data: Path, seeds: int) -> dict[str, float]:
    """Mean Spearman of the pairs with a new word, grown and of a full training, and what became of the old rows."""
    sets = {file.stem: read_pairs(file) for file in sorted((data / "word_similarity").glob("*.txt"))}
    old, new = halves(data, {word for pairs in sets.values() for one, other, _ in pairs for word in (one, other)})
    both = data / "imdb" / "corpus.txt.gz"
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        v1 = trained(f"v1-{seed}", *SKIPGRAM, f"dataset.path={old}", f"seed={seed}")
        full = trained(f"full-{seed}", *SKIPGRAM, f"dataset.path={both}", f"seed={seed}")
        known, every = (set(embloom.load(folder).words.names) for folder in (v1, full))
        fresh = {
            name: [pair for pair in pairs if not set(pair[:2]) <= known and set(pair[:2]) <= every]
            for name, pairs in sets.items()
        }
        note(found, "pairs with a new word", float(sum(map(len, fresh.values()))))
        note(found, "full training", mean_spearman(full, fresh))
        for name, how in GROWN.items():
            grown = trained(f"{name}-{seed}", *SKIPGRAM, f"dataset.path={new}", f"seed={seed + 100}",
                            f"init_from={v1}", *how)  # fmt: skip
            note(found, f"words {name}", mean_spearman(grown, fresh))
            note(found, f"words {name}: all pairs", mean_spearman(grown, sets))
            for figure, value in embloom.load(grown).card["lineage"]["promise"].items():
                note(found, f"words {name}: {figure}", value)
        note(found, "full training: all pairs", mean_spearman(full, sets))
    means = told(found)
    for name in GROWN:
        print(f"words {name}: {means[f'words {name}'] / means['full training']:.1%} of a full training")
    return means


def halves(data: Path, asked: set[str]) -> tuple[Path, Path]:
    """Reviews without, and with, words that are held out: words that people were asked about, drawn until the reviews
    that have one are half of the text."""
    parts = FOLDER / "old.txt.gz", FOLDER / "new.txt.gz"
    if all(part.exists() for part in parts):
        return parts
    with gzip.open(data / "imdb" / "corpus.txt.gz", "rt", encoding="utf-8", errors="replace") as file:
        reviews = list(file)
    where: dict[str, list[int]] = {word: [] for word in asked}
    for number, review in enumerate(reviews):
        for word in set(WORDS.findall(review.lower())) & asked:
            where[word].append(number)
    order = sorted(word for word, places in where.items() if LEAST <= len(places) <= RARE)
    random.Random(0).shuffle(order)
    taken: set[int] = set()
    half, size = sum(map(len, reviews)) / 2, 0
    for count, word in enumerate(order):
        if size >= half:
            print(f"{count} words are held out")
            break
        size += sum(len(reviews[number]) for number in {*where[word]} - taken)
        taken |= {*where[word]}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, wanted in zip(parts, (False, True), strict=True):
        with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
            file.writelines(review for number, review in enumerate(reviews) if (number in taken) is wanted)
    return parts


def mean_spearman(folder: Path, sets: Mapping[str, list[tuple[str, str, float]]]) -> float:
    """The mean over the sets, of pairs whose words are both known."""
    embedding = embloom.load(folder)
    number = {word: row for row, word in enumerate(embedding.keys["embedding"])}
    rows = F.normalize(embedding.table("embedding"), dim=1)
    scores = []
    for pairs in sets.values():
        scores.append(agreement([pair for pair in pairs if set(pair[:2]) <= number.keys()], number, rows))
    return statistics.mean(scores)


def pictures(data: Path, seeds: int) -> dict[str, float]:
    """MNIST, V1 of half of the classes or of the images: 5-NN of new queries in the old index, and of V2 alone."""
    base = (
        "dataset=mnist", f"dataset.root={data / 'mnist'}", "dataset.download=false", "encoder.layers=1024-512-64",
        "trainer.max_epochs=6", "probe=[knn]", "callbacks=[checkpoints,metrics]", "loss=[linear_head]",
    )  # fmt: skip
    found: dict[str, list[float]] = {}
    for half, what in (("classes", "dataset.classes=[0,1,2,3,4]"), ("images", "dataset.train_size=27500")):
        for seed in range(seeds):
            v1 = trained(f"mnist-{half}-{seed}", *base, what, f"seed={seed}")
            v2 = (*base, f"seed={seed + 100}")
            alone = trained(f"mnist-alone-{seed}", *v2)
            both = trained(
                f"mnist-compatible-{half}-{seed}", *v2, "loss=[linear_head,compatible]", f"loss.compatible.to={v1}"
            )
            for figure, value in embloom.load(both).card["lineage"]["promise"].items():
                note(found, f"half of the {half}: {figure}", value)
            for run_folder, name in ((both, "V2"), (alone, "V2 without the term")):
                metrics = json.loads((run_folder / "metrics.json").read_text())
                note(found, f"half of the {half}: {name}, 5-NN", metrics["probe/knn_label"])
    return told(found)


def note(found: dict[str, list[float]], name: str, value: float) -> None:
    """One more figure under a name."""
    found.setdefault(name, []).append(value)


def told(found: Mapping[str, list[float]]) -> dict[str, float]:
    """Prints each figure, with how much it varies, and returns the means."""
    for name, values in found.items():
        spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        print(f"{name:<44} {statistics.mean(values):.4f}{spread}")
    return {name: statistics.mean(values) for name, values in found.items()}


def trained(name: str, *overrides: str) -> Path:
    """The folder of a run, trained now unless it is there."""
    folder = FOLDER / name
    if not (folder / "metrics.json").exists():
        command = [sys.executable, "-m", "embloom", "train", *overrides, f"hydra.run.dir={folder}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert json.loads((folder / "run.json").read_text())["state"] == "finished"
    return folder


def main() -> None:
    """Runs both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("data"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    run(options.data, options.seeds)


if __name__ == "__main__":
    main()
