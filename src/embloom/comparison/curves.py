"""Reads the curves of a run from its TensorBoard events, or from its CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

MOST = 500
Curve = tuple[list[int], list[float]]


def curves(folder: Path, most: int | None = MOST) -> dict[str, Curve]:
    """Tag -> steps and values; long curves are thinned to `most` points. Empty where there are
    neither events nor a CSV."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not any(folder.glob("events.out.tfevents.*")):
        return from_csv(folder / "metrics.csv", most)
    kinds = ("images", "audio", "histograms", "compressedHistograms", "tensors")
    board = EventAccumulator(str(folder), size_guidance={"scalars": 0, **dict.fromkeys(kinds, 1)})
    board.Reload()
    found = {}
    for tag in board.Tags()["scalars"]:
        events = board.Scalars(tag)
        steps, values = [e.step for e in events], [e.value for e in events]
        found[tag] = (steps, values) if most is None else thinned(steps, values, most)
    return found


def from_csv(path: Path, most: int | None) -> dict[str, Curve]:
    """Likewise of a run that was logged to CSV alone; rows that are damaged are left out."""
    found: dict[str, Curve] = {}
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace", newline="") as file, suppress(csv.Error):
            for row in csv.DictReader(file, restkey="", restval=""):
                with suppress(ValueError, TypeError, KeyError):
                    take(row, int(row.pop("step")), found)
    return found if most is None else {tag: thinned(*curve, most) for tag, curve in found.items()}


def take(row: Mapping[str, str], step: int, found: dict[str, Curve]) -> None:
    """Adds the points of one row."""
    for tag, text in row.items():
        if tag and text:
            value = float(text)
            steps, values = found.setdefault(tag, ([], []))
            steps.append(step)
            values.append(value)


def thinned(steps: Sequence[int], values: Sequence[float], most: int = MOST) -> Curve:
    """Means of neighboring points where there are too many; the last point stays as it is."""
    if len(steps) <= most:
        return list(steps), list(values)
    width = -(-len(steps) // (most - 1))
    x, y = [], []
    for start in range(0, len(steps) - 1, width):
        part = values[start : min(start + width, len(values) - 1)]
        x.append(steps[min(start + width, len(steps) - 1) - 1])
        y.append(sum(part) / len(part))
    return [*x, steps[-1]], [*y, values[-1]]
