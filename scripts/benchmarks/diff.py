"""Whether `embloom diff` finds what was changed: words that were swapped in a corpus, pictures that were relabelled.

    python scripts/benchmarks/diff.py --data FOLDER --seeds 3

Of the reviews 25 pairs of words change places, and vectors are computed of both corpora. Of 10,000 pictures of MNIST 50
get another label, and a network is trained on both for 80 epochs. Each time the first 100 rows
of `diff` are searched for the 50, by the vectors alone; those whose label differs are listed apart anyway. The figures
are printed as a table; the runs stay in the folder, so that a second call is quick.
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

from torch import Tensor

import embloom
from embloom.comparison.collect import Recorded, read
from embloom.comparison.points import Gatherer
from embloom.comparison.versions import listed, versions
from embloom.comparison.versions import relabelled as relabelled_rows

PAIRS, PICTURES, FIRST = 25, 50, 100
RARE, FREQUENT = 200, 20_000  # how often words that are swapped occur
TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
WORDS = ("experiment=ppmi_svd", "probe=[chance]")
TRAINED = 10_000  # pictures
LAYERS = ("embedding", "hidden_1")
DIGITS = (
    "dataset=mnist", "dataset.download=false", "dataset.val_size=10", "dataset.batch_size=128", "probe=[chance]",
    "encoder.layers=1024-256-64-10", "trainer.max_epochs=80",
)  # fmt: skip


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="with imdb/ and mnist/")
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
    names = [item["name"] for item in changed_most(before, after)]
    return {"swapped words, of 50 among the first 100": len({*names} & chosen)}


def changed_most(before: Path, after: Path, **options: Any) -> list[dict[str, Any]]:
    """The first 100 rows that `embloom diff` lists."""
    runs = [read(folder) for folder in (before, after)]
    found = versions(runs, Gatherer(10**9, "embedding", {}, colored=False, **options))
    (group,) = found.groups
    return listed(group, FIRST)


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
    """Of 10,000 pictures of MNIST and of the same with 50 relabelled, trained until the network knows them by heart."""
    roots = [subset(data / "mnist", folder / name, seed, count) for name, count in kinds(seed)]
    runs = [
        read(trained(folder / f"digits-{name}", *DIGITS, f"dataset.root={root}", f"seed={seed}"))
        for (name, _), root in zip(kinds(seed), roots, strict=True)
    ]
    found: dict[str, int] = {}
    for layer in LAYERS:
        (group,) = versions(runs, Gatherer(10**9, layer, {}, split="train", colored=False)).groups
        rows = [item["row"] for item in listed(group, FIRST)]
        found[f"relabelled pictures, by the vectors of {layer}"] = int(group.relabelled[rows].sum())
    found["relabelled pictures that the second version learned"] = learned(runs[1], group.relabelled)
    found["relabelled pictures, listed apart by their labels"] = len(relabelled_rows(group, PICTURES))
    return found


def kinds(seed: int) -> list[tuple[str, int]]:
    """Names of the two data sets, and how many pictures of each are relabelled."""
    return [(f"{seed}", 0), (f"{seed}-relabelled", PICTURES)]


def learned(run: Recorded, changed: Tensor) -> int:
    """How many of the relabelled pictures a network gives their new label."""
    gatherer = Gatherer(10**9, "embedding", {}, split="train", colored=False)
    (points,) = gatherer.gather([run])
    right = points.vectors[0].argmax(1) == points.labels[0].values
    return int(right[changed].sum())


def subset(source: Path, target: Path, seed: int, changed: int) -> Path:
    """The first 10,000 training pictures of MNIST, some of them with another label."""
    made = target / "MNIST" / "raw"
    made.mkdir(parents=True, exist_ok=True)
    for file in (source / "MNIST" / "raw").glob("*-ubyte"):
        content = bytearray(file.read_bytes())
        if file.name.startswith("train"):
            head = 16 if "images" in file.name else 8
            size = (len(content) - head) // struct.unpack(">I", content[4:8])[0]
            content[4:8] = struct.pack(">I", TRAINED)
            content = content[: head + size * TRAINED]
            if "labels" in file.name:
                draw = random.Random(seed)
                for number in draw.sample(range(TRAINED), changed):
                    content[head + number] = (content[head + number] + draw.randint(1, 9)) % 10
        (made / file.name).write_bytes(content)
    return target


if __name__ == "__main__":
    main()
