"""What an embedding keeps that no loss asked for, against its width: table and plot of a sweep's runs.

    embloom train -m experiment=color_shape loss=color,shape encoder.embedding=2,4,8,16,32,64 \\
        optimizer.weight_decay=0,0.5 hydra.sweep.dir=outputs/leftover
    python scripts/benchmarks/leftover.py outputs/leftover --plot leftover.png
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from embloom.runs import find_runs

LABELS = ("color", "shape")
Key = tuple[str, float, int]  # losses, weight decay, width


def main() -> None:
    """Reads, prints, plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the sweep")
    parser.add_argument("--plot", type=Path, help="write the curve to this PNG")
    options = parser.parse_args()
    runs = collected(options.folder)
    if not runs:
        parser.error(f"there is no finished color_shape run under {options.folder}")
    print_table(runs)
    if options.plot:
        plot(runs, options.plot)


def collected(folder: Path) -> dict[Key, list[dict[str, float]]]:
    """The metrics of every finished run, those that differ by their seed together."""
    found: dict[Key, list[dict[str, float]]] = defaultdict(list)
    for run in find_runs(folder):
        if not (run / "metrics.json").exists():
            continue
        config: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text())
        if "embedding" in config["encoder"]:
            decay = config["optimizer"].get("weight_decay", 0)
            key = ("+".join(config["loss"]), float(decay), config["encoder"]["embedding"])
            found[key].append(json.loads((run / "metrics.json").read_text()))
    return dict(sorted(found.items()))


def summed_up(metrics: list[dict[str, float]], tag: str) -> str:
    """The mean over seeds, and the extremes where there are several."""
    values = [m[tag] for m in metrics]
    spread = f" ({min(values):.1%}..{max(values):.1%})" if len(values) > 1 else ""
    return f"{mean(values):.1%}{spread}"


def print_table(runs: dict[Key, list[dict[str, float]]]) -> None:
    """A row for each setting: what the probes find of both labels, beside chance."""
    table = Table("loss", "weight decay", "width", "seeds", box=box.SIMPLE_HEAD)
    tags = [f"probe/{probe}_{label}" for label in LABELS for probe in ("linear", "knn")]
    for tag in tags:
        table.add_column(tag.removeprefix("probe/").replace("_", " "), justify="right")
    for (loss, decay, width), metrics in runs.items():
        shown = [summed_up(metrics, tag) for tag in tags]
        table.add_row(loss, f"{decay:g}", str(width), str(len(metrics)), *shown)
    Console(width=140).print(table)
    first = next(iter(runs.values()))[0]
    print("chance: " + ", ".join(f"{label} {first[f'probe/chance_{label}']:.1%}" for label in LABELS))


def plot(runs: dict[Key, list[dict[str, float]]], path: Path) -> None:
    """For each loss alone, the other label's probe against the embedding's width."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (asked, other) in zip(figure.subplots(1, 2, sharey=True), (LABELS, LABELS[::-1]), strict=True):
        for decay in sorted({d for loss, d, _ in runs if loss == asked}):
            for probe, style in (("linear", "-o"), ("knn", "--s")):
                points = [
                    (width, mean(m[f"probe/{probe}_{other}"] for m in metrics))
                    for (loss, d, width), metrics in runs.items()
                    if loss == asked and d == decay
                ]
                axes.plot(*zip(*points, strict=True), style, markersize=4, label=f"{probe}, weight decay {decay:g}")
        chance = mean(m[f"probe/chance_{other}"] for metrics in runs.values() for m in metrics)
        axes.axhline(chance, color="gray", linewidth=1, linestyle=":", label="chance")
        axes.set(xscale="log", xlabel="width of the embedding", title=f"loss={asked}: what is left of {other}")
        widths = sorted({width for _, _, width in runs})
        axes.set_xticks(widths, widths)
        axes.minorticks_off()
        axes.legend(fontsize=8)
    figure.axes[0].set(ylabel="probe accuracy", ylim=(0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"written: {path}")


if __name__ == "__main__":
    main()
