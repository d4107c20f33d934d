"""A few labels on a frozen embedding (`dataset.features`) against fine-tuning the same weights, and its second start.

python scripts/benchmarks/features.py DATA [--upstream simclr]        a folder that has mnist/

An autoencoder, or SimCLR, learns from all images of MNIST without their classes; then a linear classifier has 100
labels, other ones for each seed, on its frozen embedding, and once more on an encoder that begins with its weights and
learns on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

UPSTREAMS = {  # its experiment -> its encoder, to begin with its weights
    "autoencoder": ["experiment=autoencoder"],
    "simclr": ["encoder=conv", "encoder.channels=32-64-128", "encoder.pool=max", "encoder.embedding=128"],
}
LABELS = 100
ACCURACY = "test/accuracy_label"
FEW = (
    f"dataset.train_size={LABELS}", "loss=[linear_head]", "probe=[]", "callbacks=[checkpoints,metrics]",
    "dataset.batch_size=20", "trainer.max_epochs=60", "evaluate=last",
)  # fmt: skip


def run(
    data: Path, seeds: int, folder: Path = Path("outputs/features"), before: str = "autoencoder", *more: str
) -> dict[str, float]:
    """Trains what is not there yet, the upstream with `more` overrides, and measures: the mean accuracies, and seconds
    of a first and of a second start."""
    mnist = ("dataset=mnist", f"dataset.root={data / 'mnist'}", "dataset.download=false")
    folder = folder / before
    upstream, _ = trained(folder / "upstream", f"experiment={before}", *mnist, "probe=[]", *more)
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        draw = (*mnist, *FEW, f"seed={seed}", f"dataset.split_seed={seed}")
        built, seconds = trained(folder / f"frozen-{seed}", "encoder=identity", f"dataset.features=[{upstream}]", *draw)
        tuned, _ = trained(folder / f"tuned-{seed}", *UPSTREAMS[before], f"init_from={upstream}", *draw)
        for name, place in (("frozen", built), ("fine-tuned", tuned)):
            metrics = json.loads((place / "metrics.json").read_text())
            found.setdefault(name, []).append(metrics[ACCURACY])
        if seconds:
            found.setdefault("seconds, first" if seed == 0 else "seconds, again", []).append(seconds)
    for name, values in found.items():
        spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        print(f"{name:<24} {statistics.mean(values):.4f}{spread}")
    return {name: statistics.mean(values) for name, values in found.items()}


def trained(folder: Path, *overrides: str) -> tuple[Path, float]:
    """The folder of a run, trained now unless it is there, and the seconds that took."""
    began = time.perf_counter()
    if not (folder / "metrics.json").exists():
        command = [sys.executable, "-m", "embloom", "train", *overrides, f"hydra.run.dir={folder}"]
        # A cache of its own, so that the first start finds nothing there.
        environment = {**os.environ, "EMBLOOM_CACHE": str(folder.parent / "cache")}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        return folder, time.perf_counter() - began
    assert json.loads((folder / "run.json").read_text())["state"] == "finished"
    return folder, 0.0


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("outputs/features"), help="where the runs are kept")
    parser.add_argument("--upstream", choices=tuple(UPSTREAMS), default="autoencoder")
    options, overrides = parser.parse_known_args()
    run(options.data, options.seeds, options.folder, options.upstream, *overrides)


if __name__ == "__main__":
    main()
