"""Whether `embloom diff` finds what was changed: words that were swapped in a corpus, pictures that were relabelled.

    python scripts/benchmarks/diff.py --data ../shared/data --seeds 3

Of the reviews 25 pairs of words change places, and vectors are computed of both corpora. Of MNIST 50 training pictures
get another label, and a network is trained on both. Each time the first 100 rows of `diff` are searched for the 50, by
the vectors alone. The figures are printed as a table; the runs stay in the folder, so that a second call is quick.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import shutil
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import embloom

PAIRS, PICTURES, FIRST = 25, 50, 100
RARE, FREQUENT = 200, 20_000  # how often words that are swapped occur
TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
WORDS = ("experiment=ppmi_svd", "probe=[chance]")
DIGITS = ("dataset=mnist", "dataset.download=false", "encoder.layers=1024-256-64-10", "probe=[chance]")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="with imdb/ and mnist/")
    parser.add_argument("--seeds", type=int, default=3, help="how many times")
    parser.add_argument("--folder", type=Path, default=Path("outputs/diff"), help="for what is made")
    parser.add_argument("--only", choices=("words", "pictures"), help="one of the two")
    options = parser.parse_args()
    for figure, values in run(options.data, options.seeds, options.folder, options.only).items():
        print(f"{figure:<60}{'  '.join(map(str, values))}")


def run(data: Path, seeds: int, folder: Path = Path("outputs/diff"), only: str | None = None) -> dict[str, list[int]]:
    """Figure -> its value of each seed: how many of 50 changes are among the first 100.

    Args:
        data: the folder that holds `imdb/corpus.txt.gz` and `mnist/`.
        seeds: how many.
        folder: where corpora, pictures and runs are kept.
        only: `words` or `pictures`.
    """
    found: dict[str, list[int]] = {}
    for seed in range(seeds):
        for name, measured in (("words", words), ("pictures", pictures)):
            if only in (None, name):
                for figure, value in measured(data, folder, seed).items():
                    found.setdefault(figure, []).append(value)
    return found


def trained(folder: Path, *overrides: str) -> Path:
    """A finished run, from before or now."""
    if not (folder / "metrics.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        embloom.train(*overrides, f"hydra.run.dir={folder}")
    return folder


def words(data: Path, folder: Path, seed: int) -> dict[str, int]:
    """Of one corpus and of the same with 25 pairs of words swapped."""
    corpus = data / "imdb" / "corpus.txt.gz"
    changed, chosen = swapped(corpus, folder / f"swapped-{seed}.txt.gz", seed)
    before = trained(folder / "words", *WORDS, f"dataset.path={corpus}")
    after = trained(folder / f"words-{seed}", *WORDS, f"dataset.path={changed}", f"seed={seed}")
    names = first(before, after, count=10**9)
    return {"swapped words, of 50 among the first 100": len({*names} & chosen)}


def swapped(corpus: Path, target: Path, seed: int) -> tuple[Path, set[str]]:
    """A corpus in which 25 pairs of words have changed places, and those words."""
    listed = target.with_suffix("").with_suffix(".words")
    if not listed.is_file():
        with gzip.open(corpus, "rt", encoding="utf-8") as lines:
            counts = Counter(token for line in lines for token in TOKEN.findall(line.lower()))
        some = sorted(word for word, count in counts.items() if RARE <= count <= FREQUENT)
        chosen = random.Random(seed).sample(some, 2 * PAIRS)
        other = dict(
            zip(chosen, [word for i in range(0, len(chosen), 2) for word in chosen[i : i + 2][::-1]], strict=True)
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(corpus, "rt", encoding="utf-8") as lines, gzip.open(target, "wt", 1, encoding="utf-8") as made:
            for line in lines:
                made.write(TOKEN.sub(lambda match: other.get(match[0], match[0]), line.lower()))
        listed.write_text("\n".join(chosen))
    return target, set(listed.read_text().split())


def pictures(data: Path, folder: Path, seed: int) -> dict[str, int]:
    """Of MNIST and of the same with 50 training pictures relabelled."""
    root, chosen = relabelled(data / "mnist", folder / f"relabelled-{seed}", seed)
    before = trained(folder / f"digits-{seed}", *DIGITS, f"dataset.root={data / 'mnist'}", f"seed={seed}")
    after = trained(folder / f"digits-{seed}-relabelled", *DIGITS, f"dataset.root={root}", f"seed={seed}")
    return {}


def relabelled(source: Path, target: Path, seed: int) -> tuple[Path, set[int]]:
    """MNIST with other labels of 50 training pictures, and which (their numbers in the file)."""
    raw = source / "MNIST" / "raw"
    made = target / "MNIST" / "raw"
    labels = bytearray((raw / "train-labels-idx1-ubyte").read_bytes())
    head = struct.calcsize(">II")
    draw = random.Random(seed)
    chosen = draw.sample(range(len(labels) - head), PICTURES)
    for number in chosen:
        labels[head + number] = (labels[head + number] + draw.randint(1, 9)) % 10
    made.mkdir(parents=True, exist_ok=True)
    for file in raw.glob("*-ubyte"):
        if not (made / file.name).exists():
            (made / file.name).symlink_to(file.resolve())
    at = made / "train-labels-idx1-ubyte"
    if at.is_symlink():
        at.unlink()
    at.write_bytes(bytes(labels))
    return target, set(chosen)


if __name__ == "__main__":
    main()
