"""Every recommender on one split: trains what is not there yet, over several seeds, and prints the table.

python scripts/benchmarks/recommenders.py                                                 the built-in films
python scripts/benchmarks/recommenders.py dataset.path=train.txt.gz dataset.test=test.txt.gz dataset.val_fraction=0
python scripts/benchmarks/recommenders.py --only bpr,recommender --seeds 0 dataset.path=...
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev

from rich import box
from rich.console import Console
from rich.table import Table

COMPUTED = ("popularity", "svd", "als", "ease", "graph_filter")
TRAINED = ("bpr", "recommender", "lightgcn")
FIGURES = ("recall_at_20", "ndcg_at_20", "coverage_at_20", "popular_share_at_20")


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/recommenders"), help="where the runs are kept")
    parser.add_argument("--only", default=",".join((*COMPUTED, *TRAINED)), help="experiments, with commas between them")
    parser.add_argument("--seeds", default="0,1,2", help="of what is trained; what is computed has one")
    options, overrides = parser.parse_known_args()
    table = Table("experiment", box=box.SIMPLE_HEAD)
    for name in ("seeds", *FIGURES, "seconds"):
        table.add_column(name.replace("_at_", "@"), justify="right")
    for experiment in options.only.split(","):
        seeds = options.seeds.split(",") if experiment in TRAINED else ["0"]
        runs = [
            measured(options.folder / experiment / seed, experiment, [*overrides, f"seed={seed}"]) for seed in seeds
        ]
        cells = [spread([run[f"probe/{name}"] for run in runs]) for name in FIGURES]
        table.add_row(experiment, str(len(seeds)), *cells, f"{mean(run['seconds'] for run in runs):.0f}")
    Console().print(table)


def measured(folder: Path, experiment: str, overrides: list[str]) -> dict[str, float]:
    """The metrics of an experiment, trained now unless its folder has them, and the seconds of the whole command."""
    metrics, took = folder / "metrics.json", folder / "seconds"
    if not metrics.exists():
        begun = (folder / "config.yaml").exists()
        anew = ["train", f"experiment={experiment}", *overrides, f"hydra.run.dir={folder}"]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "embloom", *(["resume", str(folder)] if begun else anew)], check=False
        )
        if done.returncode:
            sys.exit(done.returncode)
        took.write_text(str(time.perf_counter() - start))
    return {**json.loads(metrics.read_text()), "seconds": float(took.read_text())}


def spread(values: list[float]) -> str:
    """The mean, and how far seeds are apart."""
    return f"{mean(values):.4f}" + (f" ±{stdev(values):.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
