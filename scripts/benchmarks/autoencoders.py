"""Every autoencoder beside PCA, a random projection and raw pixels: trains what is not there yet, prints the table.

python scripts/benchmarks/autoencoders.py                          the bundled digits
python scripts/benchmarks/autoencoders.py dataset=mnist            MNIST; any overrides of `embloom train`
python scripts/benchmarks/autoencoders.py --folder outputs/mine --only pca,vae dataset=mnist
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

EXPERIMENTS = (
    "raw_pixels", "random_projection", "pca", "autoencoder", "tied_autoencoder", "sparse_autoencoder",
    "denoising_autoencoder", "vae", "conv_autoencoder",
)  # fmt: skip
COLUMNS = {"test/loss_reconstruction": "MSE", "probe/knn_label": "5-NN", "probe/linear_label": "linear"}


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/autoencoders"), help="where the runs are kept")
    parser.add_argument("--only", default=",".join(EXPERIMENTS), help="experiments, with commas between them")
    options, overrides = parser.parse_known_args()
    found = {name: measured(options.folder / name, name, overrides) for name in options.only.split(",")}
    print_table(found)


def measured(folder: Path, experiment: str, overrides: list[str]) -> dict[str, float]:
    """The metrics of an experiment, trained now, or to its end, unless its folder has them."""
    if not (folder / "metrics.json").exists():
        begun = (folder / "config.yaml").exists()
        anew = ["train", f"experiment={experiment}", *overrides, f"hydra.run.dir={folder}"]
        command = ["resume", str(folder)] if begun else anew
        done = subprocess.run([sys.executable, "-m", "embloom", *command], check=False)
        if done.returncode:
            sys.exit(done.returncode)
    metrics: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return metrics


def print_table(found: dict[str, dict[str, float]]) -> None:
    """A row for each experiment; the error also against that of PCA."""
    table = Table("experiment", box=box.SIMPLE_HEAD)
    for name in ("MSE", "against PCA", "5-NN", "linear"):
        table.add_column(name, justify="right")
    base = found.get("pca", {}).get("test/loss_reconstruction")
    for name, metrics in found.items():
        error, nearest, linear = (metrics.get(tag, float("nan")) for tag in COLUMNS)
        against = f"{error / base - 1:+.0%}" if base else ""
        table.add_row(name, f"{error:.5f}", against, f"{nearest:.2%}", f"{linear:.2%}")
    Console().print(table)


if __name__ == "__main__":
    main()
