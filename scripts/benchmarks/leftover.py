"""What an embedding keeps that no loss asked for, against its width: table and plot of a sweep's runs.

    embloom train -m experiment=color_shape loss=color,shape encoder.embedding=2,4,8,16,32,64 \\
        encoder.code_activation=hardtanh,identity hydra.sweep.dir=outputs/leftover
    python scripts/benchmarks/leftover.py outputs/leftover --plot leftover.png

Whatever settings differ between the runs name their rows; runs that differ by their seed alone are one row.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from embloom.files.run_config import read_config
from embloom.files.run_folder import find_runs

LABELS = ("color", "shape")
PROBES = ("linear", "knn", "mlp")
# What a row is not named by: width and seed have columns of their own, the others change no embedding.
UNNAMED = ("encoder.embedding", "seed", "callbacks.", "probe.")


class Key(NamedTuple):
    """What the runs of a row have in common."""

    loss: str
    setting: str
    width: int


Runs = dict[Key, list[dict[str, float]]]


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


def collected(folder: Path) -> Runs:
    """The metrics of every finished run, those that differ by their seed together."""
    finished = [run for run in find_runs(folder) if (run / "metrics.json").exists()]
    configs: list[dict[str, Any]] = [read_config(run) for run in finished]
    names = settings_of([flat(config) for config in configs])
    found: Runs = defaultdict(list)
    for run, config, setting in zip(finished, configs, names, strict=True):
        asked = [name for name in config["loss"] if name in LABELS]
        others = [f"+ {name}" for name in config["loss"] if name not in LABELS]
        if asked and "embedding" in config["encoder"]:
            key = Key("+".join(asked), ", ".join([*others, *setting]), config["encoder"]["embedding"])
            found[key].append(json.loads((run / "metrics.json").read_text()))
    return dict(sorted(found.items()))


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """A configuration as `group.key` -> value, without what names no row."""
    if not isinstance(node, dict):
        return {} if prefix.startswith(UNNAMED) else {prefix: node}
    items = (flat(value, f"{prefix}.{key}" if prefix else key) for key, value in node.items())
    return {key: value for item in items for key, value in item.items()}


def settings_of(configs: list[dict[str, Any]]) -> list[list[str]]:
    """`key=value` of the settings that differ between the runs that have them, for each run."""
    values: dict[str, set[str]] = defaultdict(set)
    for config in configs:
        for key, value in config.items():
            values[key].add(str(value))
    return [[f"{k.split('.')[-1]}={v}" for k, v in config.items() if len(values[k]) > 1] for config in configs]


def print_table(runs: Runs) -> None:
    """A row for each setting: what the probes find of both labels, beside chance."""
    first = next(iter(runs.values()))[0]
    table = Table("loss", "setting", "width", "seeds", box=box.SIMPLE_HEAD)
    tags = [f"probe/{probe}_{label}" for label in LABELS for probe in PROBES]
    tags = [tag for tag in tags if tag in first]
    for tag in tags:
        table.add_column(tag.removeprefix("probe/").replace("_", " "), justify="right")
    for key, metrics in runs.items():
        table.add_row(key.loss, key.setting, str(key.width), str(len(metrics)), *(summed_up(metrics, t) for t in tags))
    Console(width=160).print(table)
    print("chance: " + ", ".join(f"{label} {first[f'probe/chance_{label}']:.1%}" for label in LABELS))


def summed_up(metrics: list[dict[str, float]], tag: str) -> str:
    """The mean over seeds, and the extremes where there are several."""
    low, middle, high = (f"{100 * of([m[tag] for m in metrics]):.1f}" for of in (min, mean, max))
    return f"{middle} %" if low == high else f"{middle} % ({low}..{high})"


def plot(runs: Runs, path: Path) -> None:
    """For each loss alone, the other label's probes against the embedding's width."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    widths = sorted({key.width for key in runs})
    for axes, (asked, other) in zip(figure.subplots(1, 2, sharey=True), (LABELS, LABELS[::-1]), strict=True):
        for number, setting in enumerate(sorted({key.setting for key in runs if key.loss == asked})):
            for probe, style in (("linear", "-o"), ("knn", "--s")):
                line = {
                    key.width: mean(m[f"probe/{probe}_{other}"] for m in metrics)
                    for key, metrics in runs.items()
                    if (key.loss, key.setting) == (asked, setting)
                }
                axes.plot(
                    [*line], [*line.values()], style, color=f"C{number}", markersize=4, label=f"{probe} {setting}"
                )
        chance = mean(m[f"probe/chance_{other}"] for metrics in runs.values() for m in metrics)
        axes.axhline(chance, color="gray", linewidth=1, linestyle=":", label="chance")
        axes.set(xscale="log", xlabel="width of the embedding", title=f"loss={asked}: what is left of {other}")
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
        axes.legend(fontsize=7)
    figure.axes[0].set(ylabel="probe accuracy", ylim=(0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"written: {path}")


if __name__ == "__main__":
    main()
