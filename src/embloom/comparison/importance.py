"""How much of the differences in a metric each setting explains: its main effect, as in an analysis of variance."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from embloom.comparison.collect import Row
from embloom.comparison.differences import mean_of

PARTS = 4  # of a number with more values than that
FEWEST = 4  # runs


def importance(rows: Sequence[Row], keys: Sequence[str], tag: str) -> list[tuple[str, float]]:
    """Setting -> the share of the variance over all runs that the means of its values explain, the largest first.

    It is epsilon squared (Kelley 1935): eta squared less what as many groups explain by chance, cut off at 0. A number
    with more than four values counts by quarters. Settings that only vary together share what they explain, so the
    shares need not add up to 1; what is missing are interactions, and the seeds, which come last as `seed`: the
    variance within a setting. Empty where there are too few runs.

    Args:
        rows: the settings, with their runs.
        keys: those that vary.
        tag: the metric.
    """
    runs = [(row, run.metrics[tag]) for row in rows for run in row.runs if tag in run.metrics]
    values = [value for _, value in runs if math.isfinite(value)]
    if len(values) < FEWEST or len(values) < len(runs) or max(values) == min(values):
        return []
    found = []
    for key in keys:
        groups = grouped([row.settings.get(key) for row, _ in runs])
        share = explained(groups, values)
        if share is not None:
            found.append((key, share))
    found.sort(key=lambda item: -item[1])
    within = explained([id(row) for row, _ in runs], values)
    return [*found, *([("seed", 1 - within)] if within is not None else [])]


def grouped(values: Sequence[Any]) -> list[Any]:
    """The group of each value."""
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) < len(values) or len(set(numbers)) <= PARTS:
        return [json.dumps(value, sort_keys=True, default=str) for value in values]
    ordered = sorted(numbers)
    edges = [ordered[len(ordered) * part // PARTS] for part in range(1, PARTS)]
    return [sum(value >= edge for edge in edges) for value in numbers]


def explained(groups: Sequence[Any], values: Sequence[float]) -> float | None:
    """Epsilon squared; None where there is one group, or each value is a group of its own."""
    parts: dict[Any, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        parts.setdefault(group, []).append(value)
    if not 1 < len(parts) < len(values):
        return None
    total = squares(values)
    within = math.fsum(squares(part) for part in parts.values())
    by_chance = (len(parts) - 1) * within / (len(values) - len(parts))
    return min(1.0, max(0.0, (total - within - by_chance) / total))


def squares(values: Sequence[float]) -> float:
    """The sum of the squared distances to the mean."""
    mean = mean_of(values)
    return math.fsum((value - mean) ** 2 for value in values)
